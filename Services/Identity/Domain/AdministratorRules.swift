import Kernel

/// What the administrator of the seed profile `admin` must look like: as any other member of staff (DOMAIN 1.4).
public enum AdministratorRules {
  /// Unicode scalars, without the space around them.
  public static let nameLength = 2...120

  /// Everything that is wrong, each under the path given beside its value. Messages never repeat a value.
  ///
  /// - Parameter password: nil is not judged here.
  public static func violations(
    username: (text: String, path: String), password: (text: String, path: String)?,
    mobile: (text: String, path: String), name: (text: String, path: String)
  ) -> [FieldViolation] {
    var found: [FieldViolation] = []
    do throws(Failure) { _ = try Username(username.text, path: username.path) } catch { found += error.violations }
    if let password {
      do throws(Failure) { try PasswordRules.checkNew(password.text, path: password.path) } catch {
        found += error.violations
      }
    }
    do throws(Failure) { _ = try Mobile(mobile.text, path: mobile.path) } catch { found += error.violations }
    if !nameLength.contains(name.text.trimmed.unicodeScalars.count) {
      found.append(
        FieldViolation(name.path, "must have \(nameLength.lowerBound) to \(nameLength.upperBound) characters"))
    }
    return found
  }
}
