#ifndef MOBO_CMONGOC_SHIM_H
#define MOBO_CMONGOC_SHIM_H

#include <errno.h>
#include <mongoc/mongoc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* `bson_t` is aligned to 128 bytes, which Swift's importer gets wrong: it lives only inside these functions. */

/* What a command left behind. `data` is the server's reply (or libmongoc's, with error labels), to be freed with
 * bson_free; NULL if there is none. */
typedef struct {
  bool ok;
  uint32_t domain;
  int32_t code;
  char message[512];
  uint8_t *data;
  uint32_t length;
} mobo_mongoc_outcome;

static inline void mobo_mongoc_set_error(mobo_mongoc_outcome *outcome, const bson_error_t *error) {
  outcome->ok = false;
  outcome->domain = error->domain;
  outcome->code = (int32_t)error->code;
  strncpy(outcome->message, error->message, sizeof(outcome->message) - 1);
  outcome->message[sizeof(outcome->message) - 1] = '\0';
}

/* Runs one command, as it is, on the primary; `session` may be NULL. Concerns and time limits are in the command. */
static inline mobo_mongoc_outcome mobo_mongoc_command(
    mongoc_client_t *client, const char *database, const uint8_t *command, size_t length,
    const mongoc_client_session_t *session) {
  mobo_mongoc_outcome outcome = {.ok = false};
  bson_error_t error = {0};
  bson_t body;
  bson_t options = BSON_INITIALIZER;
  bson_t reply;
  if (!bson_init_static(&body, command, length)) {
    outcome.domain = MONGOC_ERROR_BSON;
    outcome.code = MONGOC_ERROR_BSON_INVALID;
    bson_destroy(&options);
    return outcome;
  }
  if (session != NULL && !mongoc_client_session_append(session, &options, &error)) {
    mobo_mongoc_set_error(&outcome, &error);
    bson_destroy(&options);
    return outcome;
  }
  outcome.ok = mongoc_client_command_with_opts(client, database, &body, NULL, &options, &reply, &error);
  if (!outcome.ok) mobo_mongoc_set_error(&outcome, &error);
  outcome.data = bson_destroy_with_steal(&reply, true, &outcome.length);
  bson_destroy(&options);
  return outcome;
}

/* Commits the session's transaction; libmongoc sends it a second time by itself after a network error. */
static inline mobo_mongoc_outcome mobo_mongoc_commit(mongoc_client_session_t *session) {
  mobo_mongoc_outcome outcome = {.ok = false};
  bson_error_t error = {0};
  bson_t reply;
  outcome.ok = mongoc_client_session_commit_transaction(session, &reply, &error);
  if (!outcome.ok) mobo_mongoc_set_error(&outcome, &error);
  outcome.data = bson_destroy_with_steal(&reply, true, &outcome.length);
  return outcome;
}

/* Starts a session without causal consistency: everything is read from the primary with majority anyway. */
static inline mongoc_client_session_t *mobo_mongoc_start_session(
    mongoc_client_t *client, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_session_opt_t *options = mongoc_session_opts_new();
  mongoc_session_opts_set_causal_consistency(options, false);
  mongoc_client_session_t *session = mongoc_client_start_session(client, options, &error);
  mongoc_session_opts_destroy(options);
  if (session == NULL) mobo_mongoc_set_error(outcome, &error);
  return session;
}

/* Starts a transaction: snapshot reads, majority and journaled writes, primary. `commit_ms` 0 means no limit. */
static inline bool mobo_mongoc_start_transaction(
    mongoc_client_session_t *session, int64_t commit_ms, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_transaction_opt_t *options = mongoc_transaction_opts_new();
  mongoc_read_concern_t *read = mongoc_read_concern_new();
  mongoc_write_concern_t *write = mongoc_write_concern_new();
  mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
  mongoc_read_concern_set_level(read, MONGOC_READ_CONCERN_LEVEL_SNAPSHOT);
  mongoc_write_concern_set_w(write, MONGOC_WRITE_CONCERN_W_MAJORITY);
  mongoc_write_concern_set_journal(write, true);
  mongoc_transaction_opts_set_read_concern(options, read);
  mongoc_transaction_opts_set_write_concern(options, write);
  mongoc_transaction_opts_set_read_prefs(options, primary);
  if (commit_ms > 0) mongoc_transaction_opts_set_max_commit_time_ms(options, commit_ms);
  bool started = mongoc_client_session_start_transaction(session, options, &error);
  if (!started) mobo_mongoc_set_error(outcome, &error);
  mongoc_read_prefs_destroy(primary);
  mongoc_write_concern_destroy(write);
  mongoc_read_concern_destroy(read);
  mongoc_transaction_opts_destroy(options);
  return started;
}

/* The logical session id; the bytes belong to the session. */
static inline const uint8_t *mobo_mongoc_session_id(const mongoc_client_session_t *session, uint32_t *length) {
  const bson_t *lsid = mongoc_client_session_get_lsid(session);
  *length = lsid->len;
  return bson_get_data(lsid);
}

/* Blocks until a primary is known or the server selection timeout has passed; asks the servers meanwhile. */
static inline bool mobo_mongoc_await_primary(mongoc_client_t *client, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_server_description_t *server = mongoc_client_select_server(client, true, NULL, &error);
  if (server == NULL) {
    mobo_mongoc_set_error(outcome, &error);
    return false;
  }
  mongoc_server_description_destroy(server);
  return true;
}

/* The options that every client gets, whatever its URI says. Returns NULL and the reason for a malformed URI. */
static inline mongoc_uri_t *mobo_mongoc_uri(const char *text, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
  if (uri == NULL) mobo_mongoc_set_error(outcome, &error);
  return uri;
}

static inline mongoc_client_pool_t *mobo_mongoc_pool(const mongoc_uri_t *uri, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_client_pool_t *pool = mongoc_client_pool_new_with_error(uri, &error);
  if (pool == NULL) {
    mobo_mongoc_set_error(outcome, &error);
    return NULL;
  }
  mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
  return pool;
}

static inline const char *mobo_mongoc_topology_type(const mongoc_apm_topology_changed_t *event) {
  return mongoc_topology_description_type(mongoc_apm_topology_changed_get_new_description(event));
}

static inline const char *mobo_mongoc_topology_type_before(const mongoc_apm_topology_changed_t *event) {
  return mongoc_topology_description_type(mongoc_apm_topology_changed_get_previous_description(event));
}

/* The code of the first error inside a reply that the server calls a success; 0 if there is none. */
static inline int32_t mobo_mongoc_reply_error(const bson_t *reply) {
  bson_iter_t iter;
  bson_iter_t code;
  if (bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, "writeErrors.0.code", &code)) {
    return (int32_t)bson_iter_as_int64(&code);
  }
  if (bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, "writeConcernError.code", &code)) {
    return (int32_t)bson_iter_as_int64(&code);
  }
  return 0;
}

static inline int32_t mobo_mongoc_succeeded_error(const mongoc_apm_command_succeeded_t *event) {
  return mobo_mongoc_reply_error(mongoc_apm_command_succeeded_get_reply(event));
}

/* What a failed command was told, with the server's reply (its labels), to be freed like every outcome's. */
static inline mobo_mongoc_outcome mobo_mongoc_failed_outcome(const mongoc_apm_command_failed_t *event) {
  mobo_mongoc_outcome outcome = {.ok = false};
  bson_error_t error = {0};
  mongoc_apm_command_failed_get_error(event, &error);
  mobo_mongoc_set_error(&outcome, &error);
  const bson_t *reply = mongoc_apm_command_failed_get_reply(event);
  if (reply != NULL && reply->len > 5) {
    outcome.data = (uint8_t *)bson_malloc(reply->len);
    memcpy(outcome.data, bson_get_data(reply), reply->len);
    outcome.length = reply->len;
  }
  return outcome;
}

static inline bool mobo_mongoc_topology_writable(const mongoc_apm_topology_changed_t *event) {
  return mongoc_topology_description_has_writable_server(mongoc_apm_topology_changed_get_new_description(event));
}

static inline void mobo_mongoc_heartbeat_error(
    const mongoc_apm_server_heartbeat_failed_t *event, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_apm_server_heartbeat_failed_get_error(event, &error);
  mobo_mongoc_set_error(outcome, &error);
}

/* --- Time limits of a client's connections ---
 *
 * libmongoc 1.23 knows one socket timeout, for all commands of all clients. These streams know one per command. */

static inline int64_t mobo_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Belongs to one client and lives as long; only the thread that has the client reads or writes it. */
typedef struct {
  mongoc_client_t *client;
  /* The address family to try first, 4 or 6; 0: in the resolver's order. */
  int32_t family;
  /* On the monotonic clock, in nanoseconds: when reading and writing ends. 0: the URI's socket timeout decides. */
  int64_t until;
} mobo_io;

typedef struct {
  mongoc_stream_t base;
  mongoc_stream_t *inner;
  const mobo_io *io;
  bool is_late;
} mobo_stream;

/* A type that libmongoc does not use. */
enum { MOBO_STREAM_TYPE = 0x6D6F };

/* libmongoc's own way to open a connection, TLS included. Exported, though no public header declares it. */
extern mongoc_stream_t *mongoc_client_default_stream_initiator(
    const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *client, bson_error_t *error);

/* Milliseconds left; -2 if there are none. */
static inline int32_t mobo_stream_left(mobo_stream *self, int32_t milliseconds) {
  self->is_late = false;
  if (self->io->until == 0) return milliseconds;
  int64_t left = (self->io->until - mobo_monotonic_ns()) / 1000000;
  if (left <= 0) {
    self->is_late = true;
    errno = ETIMEDOUT;
    return -2;
  }
  return left > INT32_MAX ? INT32_MAX : (int32_t)left;
}

static inline ssize_t mobo_stream_writev(
    mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count, int32_t milliseconds) {
  mobo_stream *self = (mobo_stream *)stream;
  int32_t left = mobo_stream_left(self, milliseconds);
  return left == -2 ? -1 : mongoc_stream_writev(self->inner, vector, count, left);
}

static inline ssize_t mobo_stream_readv(
    mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count, size_t least, int32_t milliseconds) {
  mobo_stream *self = (mobo_stream *)stream;
  int32_t left = mobo_stream_left(self, milliseconds);
  return left == -2 ? -1 : mongoc_stream_readv(self->inner, vector, count, least, left);
}

static inline void mobo_stream_destroy(mongoc_stream_t *stream) {
  mongoc_stream_destroy(((mobo_stream *)stream)->inner);
  bson_free(stream);
}

static inline void mobo_stream_failed(mongoc_stream_t *stream) {
  mongoc_stream_failed(((mobo_stream *)stream)->inner);
  bson_free(stream);
}

static inline int mobo_stream_close(mongoc_stream_t *stream) {
  return mongoc_stream_close(((mobo_stream *)stream)->inner);
}

static inline int mobo_stream_flush(mongoc_stream_t *stream) {
  return mongoc_stream_flush(((mobo_stream *)stream)->inner);
}

static inline int mobo_stream_setsockopt(
    mongoc_stream_t *stream, int level, int name, void *value, mongoc_socklen_t length) {
  return mongoc_stream_setsockopt(((mobo_stream *)stream)->inner, level, name, value, length);
}

static inline mongoc_stream_t *mobo_stream_get_base(mongoc_stream_t *stream) {
  return ((mobo_stream *)stream)->inner;
}

static inline bool mobo_stream_check_closed(mongoc_stream_t *stream) {
  return mongoc_stream_check_closed(((mobo_stream *)stream)->inner);
}

static inline bool mobo_stream_timed_out(mongoc_stream_t *stream) {
  mobo_stream *self = (mobo_stream *)stream;
  return self->is_late || mongoc_stream_timed_out(self->inner);
}

static inline bool mobo_stream_should_retry(mongoc_stream_t *stream) {
  return mongoc_stream_should_retry(((mobo_stream *)stream)->inner);
}

static inline void mobo_stream_set(mongoc_stream_t *stream, int level, int name, int value) {
  mongoc_stream_setsockopt(stream, level, name, &value, (mongoc_socklen_t)sizeof(value));
}

/* A peer that vanished without a word is noticed within about ten seconds, however long a command may take: its
 * kernel answers probes, whatever mongod does. */
static inline void mobo_stream_keep_alive(mongoc_stream_t *stream) {
  mobo_stream_set(stream, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  mobo_stream_set(stream, IPPROTO_TCP, TCP_KEEPIDLE, 4);
  mobo_stream_set(stream, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  mobo_stream_set(stream, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
#ifdef TCP_USER_TIMEOUT
  mobo_stream_set(stream, IPPROTO_TCP, TCP_USER_TIMEOUT, 10000);
#endif
}

/* The preferred family first: libmongoc would take the addresses in the resolver's order. */
static inline mongoc_stream_t *mobo_connect(
    const mobo_io *io, const mongoc_uri_t *uri, const mongoc_host_list_t *host, bson_error_t *error) {
  if (io->family == 0 || host->family != AF_UNSPEC) {
    return mongoc_client_default_stream_initiator(uri, host, io->client, error);
  }
  mongoc_host_list_t only = *host;
  only.family = io->family == 6 ? AF_INET6 : AF_INET;
  mongoc_stream_t *stream = mongoc_client_default_stream_initiator(uri, &only, io->client, error);
  if (stream != NULL) return stream;
  bson_error_t second = {0};
  only.family = io->family == 6 ? AF_INET : AF_INET6;
  return mongoc_client_default_stream_initiator(uri, &only, io->client, &second);
}

static inline mongoc_stream_t *mobo_stream_initiate(
    const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *data, bson_error_t *error) {
  const mobo_io *io = (const mobo_io *)data;
  mongoc_stream_t *inner = mobo_connect(io, uri, host, error);
  if (inner == NULL) return NULL;
  if (host->family != AF_UNIX) mobo_stream_keep_alive(inner);
  mobo_stream *self = (mobo_stream *)bson_malloc0(sizeof(mobo_stream));
  self->inner = inner;
  self->io = io;
  self->base.type = MOBO_STREAM_TYPE;
  self->base.destroy = mobo_stream_destroy;
  self->base.failed = mobo_stream_failed;
  self->base.close = mobo_stream_close;
  self->base.flush = mobo_stream_flush;
  self->base.writev = mobo_stream_writev;
  self->base.readv = mobo_stream_readv;
  self->base.setsockopt = mobo_stream_setsockopt;
  self->base.get_base_stream = mobo_stream_get_base;
  self->base.check_closed = mobo_stream_check_closed;
  self->base.timed_out = mobo_stream_timed_out;
  self->base.should_retry = mobo_stream_should_retry;
  return &self->base;
}

/* Has the client open its connections like this; to be freed with bson_free after the client. */
static inline mobo_io *mobo_io_new(mongoc_client_t *client, int32_t family) {
  mobo_io *io = (mobo_io *)bson_malloc0(sizeof(mobo_io));
  io->client = client;
  io->family = family;
  mongoc_client_set_stream_initiator(client, mobo_stream_initiate, io);
  return io;
}

/* Waits at most `nanoseconds` on the monotonic clock; negative waits without limit. Wall-clock jumps do not matter. */
static inline void mobo_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t nanoseconds) {
  if (nanoseconds < 0) {
    pthread_cond_wait(condition, mutex);
    return;
  }
#ifdef __APPLE__
  struct timespec span = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  pthread_cond_timedwait_relative_np(condition, mutex, &span);
#else
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += nanoseconds / 1000000000;
  until.tv_nsec += nanoseconds % 1000000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec += 1;
    until.tv_nsec -= 1000000000;
  }
  pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until);
#endif
}

#endif
