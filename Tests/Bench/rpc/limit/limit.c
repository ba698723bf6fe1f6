// The floor "limit": bench.v1.Echo on epoll, nghttp2 and protobuf-c with nothing in between, `limit PORT`.
//
// It knows one method, one message per request, no deadline, no metadata, no compression and no limits but those
// that keep it alive. What a complete runtime costs above this is the runtime.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.pb-c.h"

enum { PREFIX = 5, MESSAGE_MAX = 4 << 20, STREAMS = 1000, WINDOW = 8 << 20, READ_MAX = 256 << 10, EVENTS = 64 };

// Bytes that grow; `start` are taken already.
struct buffer {
  uint8_t *bytes;
  size_t start, end, capacity;
};

struct call {
  struct call *next_free;
  struct buffer request, response;
  bool is_echo;
};

struct connection {
  int socket;
  bool waits_for_room;
  nghttp2_session *session;
  struct buffer output;
};

static int poller;
static struct call *free_calls;
static uint8_t input[READ_MAX];

#define FIELD(n, v) \
  { (uint8_t *)n, (uint8_t *)v, sizeof n - 1, sizeof v - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE }
static const nghttp2_nv answer_head[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc")};
static const nghttp2_nv answer_end[] = {FIELD("grpc-status", "0")};
static const nghttp2_nv refusal[] = {
    FIELD(":status", "200"), FIELD("content-type", "application/grpc"), FIELD("grpc-status", "12")};

static void make_room(struct buffer *buffer, size_t count) {
  size_t needed = buffer->end + count;
  if (needed <= buffer->capacity) return;
  size_t capacity = buffer->capacity ? buffer->capacity : 512;
  while (capacity < needed) capacity *= 2;
  buffer->bytes = realloc(buffer->bytes, capacity);
  if (!buffer->bytes) abort();
  buffer->capacity = capacity;
}

static void append(struct buffer *buffer, const uint8_t *bytes, size_t count) {
  make_room(buffer, count);
  memcpy(buffer->bytes + buffer->end, bytes, count);
  buffer->end += count;
}

static int call_begins(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  (void)context;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct call *call = free_calls;
  if (call) {
    free_calls = call->next_free;
  } else if (!(call = calloc(1, sizeof *call))) {
    abort();
  }
  call->is_echo = false;
  call->request.start = call->request.end = call->response.start = call->response.end = 0;
  return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static int field_arrives(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count,
                         const uint8_t *value, size_t value_count, uint8_t flags, void *context) {
  (void)flags, (void)context;
  static const char echo[] = "/bench.v1.Echo/Unary";
  if (name_count == 5 && memcmp(name, ":path", 5) == 0) {
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call) call->is_echo = value_count == sizeof echo - 1 && memcmp(value, echo, value_count) == 0;
  }
  return 0;
}

static int data_arrives(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count,
                        void *context) {
  (void)flags, (void)context;
  struct call *call = nghttp2_session_get_stream_user_data(session, stream);
  if (!call || call->request.end + count > PREFIX + MESSAGE_MAX) return NGHTTP2_ERR_CALLBACK_FAILURE;
  append(&call->request, bytes, count);
  return 0;
}

static ssize_t give_response(nghttp2_session *session, int32_t stream, uint8_t *into, size_t count, uint32_t *flags,
                             nghttp2_data_source *source, void *context) {
  (void)context;
  struct buffer *response = &((struct call *)source->ptr)->response;
  size_t rest = response->end - response->start;
  if (count >= rest) {
    count = rest;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(session, stream, answer_end, 1) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  memcpy(into, response->bytes + response->start, count);
  response->start += count;
  return (ssize_t)count;
}

// Decodes the message, encodes it again with its prefix.
static bool echo(struct call *call) {
  const uint8_t *bytes = call->request.bytes;
  if (!call->is_echo || call->request.end < PREFIX || bytes[0] != 0) return false;
  uint32_t length;
  memcpy(&length, bytes + 1, sizeof length);
  if (ntohl(length) != call->request.end - PREFIX) return false;
  Bench__V1__Payload *payload = bench__v1__payload__unpack(NULL, ntohl(length), bytes + PREFIX);
  if (!payload) return false;
  size_t count = bench__v1__payload__get_packed_size(payload);
  make_room(&call->response, PREFIX + count);
  length = htonl((uint32_t)count);
  call->response.bytes[0] = 0;
  memcpy(call->response.bytes + 1, &length, sizeof length);
  bench__v1__payload__pack(payload, call->response.bytes + PREFIX);
  call->response.end = PREFIX + count;
  bench__v1__payload__free_unpacked(payload, NULL);
  return true;
}

static int frame_arrives(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  (void)context;
  bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  if (!ends || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) return 0;
  struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!call) return 0;
  if (!echo(call)) return nghttp2_submit_response(session, frame->hd.stream_id, refusal, 3, NULL);
  nghttp2_data_provider body = {.source.ptr = call, .read_callback = give_response};
  return nghttp2_submit_response(session, frame->hd.stream_id, answer_head, 2, &body);
}

static int call_ends(nghttp2_session *session, int32_t stream, uint32_t code, void *context) {
  (void)code, (void)context;
  struct call *call = nghttp2_session_get_stream_user_data(session, stream);
  if (!call) return 0;
  call->next_free = free_calls;
  free_calls = call;
  return 0;
}

static void watch(struct connection *connection, int operation) {
  uint32_t events = EPOLLIN | (connection->waits_for_room ? EPOLLOUT : 0);
  struct epoll_event event = {.events = events, .data.ptr = connection};
  epoll_ctl(poller, operation, connection->socket, &event);
}

// Takes what nghttp2 has to say, up to what one write should hold. False ends the connection.
static bool collect_output(struct connection *connection) {
  const uint8_t *bytes;
  ssize_t count = 0;
  while (connection->output.end < READ_MAX && (count = nghttp2_session_mem_send(connection->session, &bytes)) > 0)
    append(&connection->output, bytes, (size_t)count);
  return count >= 0;
}

// Writes until there is nothing to say or the socket is full. False ends the connection.
static bool write_output(struct connection *connection) {
  struct buffer *output = &connection->output;
  bool full = false;
  while (!full) {
    if (!collect_output(connection)) return false;
    if (output->end == 0) break;
    ssize_t count = send(connection->socket, output->bytes + output->start, output->end - output->start, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    full = count < 0 && errno == EAGAIN;
    if (count < 0 && !full) return false;
    if (!full) output->start += (size_t)count;
    if (output->start == output->end) output->start = output->end = 0;
  }
  if (full != connection->waits_for_room) {
    connection->waits_for_room = full;
    watch(connection, EPOLL_CTL_MOD);
  }
  return nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session);
}

static bool read_input(struct connection *connection) {
  ssize_t count = recv(connection->socket, input, sizeof input, 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  return count > 0 && nghttp2_session_mem_recv(connection->session, input, (size_t)count) == count;
}

static void end(struct connection *connection) {
  nghttp2_session_del(connection->session);
  close(connection->socket);
  free(connection->output.bytes);
  free(connection);
}

static void accept_connection(int listener, const nghttp2_session_callbacks *callbacks) {
  int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return;
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection || nghttp2_session_server_new(&connection->session, callbacks, connection) != 0) abort();
  connection->socket = socket;
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
  nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
  watch(connection, EPOLL_CTL_ADD);
  if (!write_output(connection)) end(connection);
}

static int listen_on(int port) {
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0) {
    perror("limit");
    exit(69);
  }
  return listener;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: limit PORT\n");
    return 64;
  }
  int listener = listen_on(atoi(argv[1]));
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};  // No connection: the listener itself.
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);

  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) abort();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, call_begins);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, field_arrives);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_arrives);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_arrives);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, call_ends);

  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!connection) {
        accept_connection(listener, callbacks);
      } else {
        bool reads = events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR);
        if ((reads && !read_input(connection)) || !write_output(connection)) end(connection);
      }
    }
  }
}
