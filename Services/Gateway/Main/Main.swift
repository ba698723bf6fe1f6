import ServiceRuntime

@main
struct GatewayMain {
  static func main() async {
    await ServiceProcess.run(GatewayDefinition())
  }
}
