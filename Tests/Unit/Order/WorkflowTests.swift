import Kernel
import Testing

@testable import OrderDomain

@Suite("Workflow")
struct WorkflowTests {
  @Test("every state names exactly the moves that leave it", arguments: WorkflowStatus.allCases)
  func exitsAreNamed(status: WorkflowStatus) {
    #expect(Set(status.exits) == Set(WorkflowMove.allCases.filter { $0.leads(from: status) }))
    #expect(Set(status.exits).count == status.exits.count)
  }

  @Test("a move from a state that does not list it is refused", arguments: WorkflowMove.allCases)
  func unlistedPairsAreRefused(move: WorkflowMove) throws {
    for status in WorkflowStatus.allCases {
      var order = try Make.stub()
      order.workflowStatus = status
      var change = OrderChange(order, by: .system, at: .start)
      if move.leads(from: status) {
        try change.move(move)
        #expect(change.after.workflowStatus == move.destination)
        #expect(change.after.events.last?.metadata["from"] == status.rawValue)
        #expect(change.audit.last?.action == .workflowTransition)
      } else {
        #expect { try change.move(move) } throws: { ($0 as? Failure)?.code == .illegalOrderTransition }
        #expect(change.after.workflowStatus == status)
      }
    }
  }

  @Test("only failed orders have no way out")
  func terminal() {
    #expect(WorkflowStatus.allCases.filter(\.exits.isEmpty) == [.failed])
    #expect(WorkflowStatus.allCases.filter(\.isTerminal) == [.completed, .failed])
  }

  @Test("only the moves behind a decision about money ignore a freeze")
  func freeze() {
    #expect(WorkflowMove.allCases.filter(\.ignoresFreeze) == [.w14, .w15, .w16, .w17])
  }

  @Test("an order remembers its last 200 events")
  func eventsAreBounded() throws {
    var order = try Make.underReview()
    for index in 0..<210 {
      var change = OrderChange(order, by: .system, at: .start)
      change.record(.statusChanged, ["index": String(index)])
      order = change.after
    }
    #expect(order.events.count == 200)
    #expect(order.events.last?.metadata["index"] == "209")
    #expect(order.events.first?.metadata["index"] == "10")
  }

  @Test("a new order goes to the review queue in one change, with its history")
  func creation() throws {
    let change = try Creation.confirm(try Make.stub(), now: .start)
    #expect(change.after.workflowStatus == .underReview)
    #expect(change.after.version == change.before.version + 1)
    #expect(change.after.orderedAt == .start)
    #expect(change.after.pendingSaga == nil)
    #expect(
      change.after.events.map(\.type) == [
        .workflowTransition, .ordered, .workflowTransition, .proofSubmitted, .workflowTransition,
      ])
    #expect(change.audit.map(\.action).filter { $0 != .workflowTransition } == [.orderCreated, .proofSubmitted])
  }

  @Test("a stub without a slot frees its claim and its external id")
  func abandon() throws {
    let after = try Creation.abandon(try Make.stub(), now: .start).after
    #expect(after.workflowStatus == .failed)
    #expect(!after.claimActive)
    #expect(after.deletedAt == .start)
    #expect(after.pendingSaga == nil)
    #expect(after.slotCheckDueAt == Timestamp.start.plus(.seconds(600)))
  }
}
