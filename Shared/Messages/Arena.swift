internal import CProtobufC

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Memory for the C structs of one conversion: taken by moving a pointer, given back all at once.
///
/// One per thread, reused by every message, and the allocator of protobuf-c while it unpacks. Between `enter` and
/// `leave` nothing suspends, so that the thread cannot change; what was taken is void afterwards.
struct Arena {
  private struct State {
    var allocator: ProtobufCAllocator
    var next: UnsafeMutableRawPointer
    var remaining: Int
    /// Kept for the life of the thread.
    let home: UnsafeMutableRawPointer
    /// Blocks beyond the first, freed at the end of the scope; each begins with the address of the one before.
    var extra: UnsafeMutableRawPointer?
    var extraBytes = 0
    var extraBytesMax = Int.max
    var refused = false
    var isBusy = false
    /// No message that was filled since `enter` is longer on the wire.
    var encodedBytesMax = 0
  }

  private static let homeBytes = 32 << 10
  private static let extraBytesMin = 64 << 10
  private static let alignment = 16

  private let state: UnsafeMutablePointer<State>

  /// The arena of this thread, empty. Must be left before it is entered again.
  ///
  /// - Parameter bytesMax: what may be taken; beyond it protobuf-c gets no memory and `wasRefused` is true.
  static func enter(bytesMax: Int = .max) -> Arena {
    let arena = Arena.ofThread()
    precondition(!arena.state.pointee.isBusy, "conversions do not nest: the arena is emptied at the end of each")
    arena.state.pointee.isBusy = true
    arena.state.pointee.extraBytesMax = bytesMax
    return arena
  }

  /// Gives everything back.
  func leave() {
    let state = state
    if state.pointee.extra != nil { Self.freeExtraBlocks(state) }
    state.pointee.next = state.pointee.home
    state.pointee.remaining = Self.homeBytes
    state.pointee.encodedBytesMax = 0
    state.pointee.refused = false  // Also without an extra block: the first one may have been what was refused.
    state.pointee.isBusy = false
  }

  private static func freeExtraBlocks(_ state: UnsafeMutablePointer<State>) {
    while let block = state.pointee.extra {
      state.pointee.extra = block.load(as: UnsafeMutableRawPointer?.self)
      free(block)
    }
    state.pointee.extraBytes = 0
  }

  /// True when an allocation went beyond the limit.
  var wasRefused: Bool { state.pointee.refused }

  /// No message that was filled is longer on the wire.
  var encodedBytesMax: Int { state.pointee.encodedBytesMax }

  /// For protobuf-c.
  var allocator: UnsafeMutablePointer<ProtobufCAllocator> {
    // `allocator` is the first stored property of State.
    UnsafeMutableRawPointer(state).assumingMemoryBound(to: ProtobufCAllocator.self)
  }

  /// The most that a tag and a number, or a tag and a length, take on the wire.
  private static let fieldBytesMax = 15

  /// Starts filling a C struct with `fields` fields.
  func begin(
    _ base: inout ProtobufCMessage, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, fields: Int
  ) {
    base.descriptor = descriptor
    state.pointee.encodedBytesMax += fields * Self.fieldBytesMax
  }

  /// Counts list elements, each of which has a tag and a length of its own.
  func countElements(_ count: Int) {
    state.pointee.encodedBytesMax += count * Self.fieldBytesMax
  }

  /// Zeroed memory for `count` values of a trivial C type.
  func make<T>(_ type: T.Type, count: Int = 1) -> UnsafeMutablePointer<T> {
    let bytes = MemoryLayout<T>.stride * count
    guard let memory = take(bytes) else { preconditionFailure("encoding has no memory limit") }
    memset(memory, 0, bytes)
    return memory.bindMemory(to: T.self, capacity: count)
  }

  func binary(_ text: String) -> ProtobufCBinaryData {
    var text = text
    return text.withUTF8 { binary(UnsafeRawBufferPointer($0)) }
  }

  func binary(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    bytes.withUnsafeBytes { binary($0) }
  }

  private func binary(_ bytes: UnsafeRawBufferPointer) -> ProtobufCBinaryData {
    guard bytes.count > 0, let source = bytes.baseAddress else { return ProtobufCBinaryData() }
    guard let memory = take(bytes.count) else { preconditionFailure("encoding has no memory limit") }
    memcpy(memory, source, bytes.count)
    state.pointee.encodedBytesMax += bytes.count
    return ProtobufCBinaryData(len: bytes.count, data: memory.assumingMemoryBound(to: UInt8.self))
  }

  @inline(__always)
  private func take(_ bytes: Int) -> UnsafeMutableRawPointer? {
    Self.take(bytes, from: state)
  }

  @inline(__always)
  private static func take(_ bytes: Int, from state: UnsafeMutablePointer<State>) -> UnsafeMutableRawPointer? {
    let rounded = (bytes &+ (alignment - 1)) & ~(alignment - 1)
    if rounded <= state.pointee.remaining {
      let memory = state.pointee.next
      state.pointee.next = memory + rounded
      state.pointee.remaining -= rounded
      return memory
    }
    return takeFromNewBlock(rounded, state)
  }

  @inline(never)
  private static func takeFromNewBlock(
    _ bytes: Int, _ state: UnsafeMutablePointer<State>
  ) -> UnsafeMutableRawPointer? {
    let size = max(bytes + alignment, extraBytesMin)
    guard size <= state.pointee.extraBytesMax - state.pointee.extraBytes, let block = malloc(size) else {
      state.pointee.refused = true
      return nil
    }
    block.storeBytes(of: state.pointee.extra, as: UnsafeMutableRawPointer?.self)
    state.pointee.extra = block
    state.pointee.extraBytes += size
    state.pointee.next = block + alignment + bytes
    state.pointee.remaining = size - alignment - bytes
    return block + alignment
  }
}

extension Arena {
  /// pthread_key_create(3) fails only when a process has more than a thousand keys.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let result = pthread_key_create(&key) { memory in
      #if canImport(Glibc)
        guard let memory else { return }
      #endif
      free(memory.assumingMemoryBound(to: State.self).pointee.home)
      free(memory)
    }
    precondition(result == 0, "no thread-specific data key is left")
    return key
  }()

  private static func ofThread() -> Arena {
    if let memory = pthread_getspecific(key) {
      return Arena(state: memory.assumingMemoryBound(to: State.self))
    }
    // Without these few kilobytes no message of this thread can be read or written, and no caller could go on either:
    // Swift's own allocations end the process in the same situation.
    guard let home = malloc(homeBytes), let memory = malloc(MemoryLayout<State>.size) else {
      fatalError("out of memory")
    }
    let state = memory.bindMemory(to: State.self, capacity: 1)
    let allocator = ProtobufCAllocator(
      alloc: { state, bytes in
        guard let state else { return nil }
        return Arena.take(bytes, from: state.assumingMemoryBound(to: State.self))
      },
      free: { _, _ in },
      allocator_data: memory)
    state.initialize(to: State(allocator: allocator, next: home, remaining: homeBytes, home: home))
    pthread_setspecific(key, memory)
    return Arena(state: state)
  }
}
