import IdentityDomain
import Kernel
import Messages

/// Domain values as the protos spell them. Exhaustive on purpose: a new case does not compile until it is mapped.
extension Role {
  var onTheWire: CommonV1.Role {
    switch self {
    case .shopper: .shopper
    case .mediator: .mediator
    case .agency: .agency
    case .brand: .brand
    case .ops: .ops
    case .admin: .admin
    }
  }
}

extension UserStatus {
  var onTheWire: CommonV1.UserStatus {
    switch self {
    case .active: .active
    case .suspended: .suspended
    case .pending: .pending
    }
  }
}

extension KycStatus {
  var onTheWire: IdentityV1.KycStatus {
    switch self {
    case .none: .none
    case .pending: .pending
    case .verified: .verified
    case .rejected: .rejected
    }
  }
}

extension ConnectionStatus {
  var onTheWire: IdentityV1.ConnectionStatus {
    switch self {
    case .pending: .pending
    case .approved: .approved
    case .rejected: .rejected
    case .removed: .removed
    }
  }
}
