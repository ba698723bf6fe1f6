import ServiceRuntime

@main
struct IdentityMain {
  static func main() async {
    await ServiceProcess.run(IdentityDefinition())
  }
}
