#ifndef MOBO_CMONGOC_SHIM_H
#define MOBO_CMONGOC_SHIM_H

#include <errno.h>
#include <mongoc/mongoc.h>
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

static inline bool mobo_mongoc_topology_writable(const mongoc_apm_topology_changed_t *event) {
  return mongoc_topology_description_has_writable_server(mongoc_apm_topology_changed_get_new_description(event));
}

static inline void mobo_mongoc_heartbeat_error(
    const mongoc_apm_server_heartbeat_failed_t *event, mobo_mongoc_outcome *outcome) {
  bson_error_t error = {0};
  mongoc_apm_server_heartbeat_failed_get_error(event, &error);
  mobo_mongoc_set_error(outcome, &error);
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
