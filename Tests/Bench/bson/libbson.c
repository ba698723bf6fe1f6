/* The document of Shared/BenchBSON with libbson's own functions: built field by field, read field by field by name
 * with the text copied out, and checked by bson_validate. Prints nanoseconds of CPU time for each as a line of JSON. */
#include <bson/bson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bson_t *build(void) {
  bson_oid_t oid;
  bson_t child;
  bson_t *row = bson_new();
  bson_oid_init_from_string(&oid, "0123456789abcdef01234567");
  bson_append_oid(row, "_id", 3, &oid);
  bson_oid_init_from_string(&oid, "89abcdef0123456789abcdef");
  bson_append_oid(row, "ownerUserId", 11, &oid);
  bson_append_utf8(row, "type", 4, "commission_settle", 17);
  bson_append_int64(row, "amountPaise", 11, 123456);
  bson_append_int64(row, "version", 7, 42);
  bson_append_date_time(row, "createdAt", 9, 1767225600000);
  bson_append_bool(row, "memo", 4, false);
  bson_append_array_begin(row, "roles", 5, &child);
  bson_append_utf8(&child, "0", 1, "shopper", 7);
  bson_append_utf8(&child, "1", 1, "mediator", 8);
  bson_append_array_end(row, &child);
  bson_append_document_begin(row, "reference", 9, &child);
  bson_oid_init_from_string(&oid, "fedcba9876543210fedcba98");
  bson_append_oid(&child, "orderId", 7, &oid);
  bson_append_int64(&child, "seq", 3, 3);
  bson_append_document_end(row, &child);
  return row;
}

struct row {
  char id[25], owner[25], order[25];
  char *type, *roles[2];
  int64_t amount, version, created_at, seq;
  bool memo;
};

static void find(bson_iter_t *iter, const bson_t *document, const char *name, bson_type_t type) {
  if (!bson_iter_init_find(iter, document, name) || bson_iter_type(iter) != type) abort();
}

static char *text(const bson_iter_t *iter) {
  uint32_t length;
  const char *found = bson_iter_utf8(iter, &length);
  if (!bson_utf8_validate(found, length, true)) abort();
  char *copy = malloc(length + 1);
  memcpy(copy, found, length + 1);
  return copy;
}

static void read_row(const bson_t *document, struct row *row) {
  bson_iter_t iter, child;
  find(&iter, document, "_id", BSON_TYPE_OID);
  bson_oid_to_string(bson_iter_oid(&iter), row->id);
  find(&iter, document, "ownerUserId", BSON_TYPE_OID);
  bson_oid_to_string(bson_iter_oid(&iter), row->owner);
  find(&iter, document, "type", BSON_TYPE_UTF8);
  row->type = text(&iter);
  find(&iter, document, "amountPaise", BSON_TYPE_INT64);
  row->amount = bson_iter_int64(&iter);
  find(&iter, document, "version", BSON_TYPE_INT64);
  row->version = bson_iter_int64(&iter);
  find(&iter, document, "createdAt", BSON_TYPE_DATE_TIME);
  row->created_at = bson_iter_date_time(&iter);
  find(&iter, document, "memo", BSON_TYPE_BOOL);
  row->memo = bson_iter_bool(&iter);
  find(&iter, document, "roles", BSON_TYPE_ARRAY);
  if (!bson_iter_recurse(&iter, &child)) abort();
  for (int index = 0; index < 2 && bson_iter_next(&child); index++) row->roles[index] = text(&child);
  find(&iter, document, "reference", BSON_TYPE_DOCUMENT);
  if (!bson_iter_recurse(&iter, &child) || !bson_iter_find(&child, "orderId")) abort();
  bson_oid_to_string(bson_iter_oid(&child), row->order);
  if (!bson_iter_recurse(&iter, &child) || !bson_iter_find(&child, "seq")) abort();
  row->seq = bson_iter_int64(&child);
}

int main(int count_arguments, char **arguments) {
  int64_t count = count_arguments == 2 ? atoll(arguments[1]) : 0;
  if (count <= 0) return 64;
  int64_t bytes = 0, sum = 0;
  int64_t begun = processor_time();
  for (int64_t index = 0; index < count; index++) {
    bson_t *row = build();
    bytes += row->len;
    bson_destroy(row);
  }
  double write = (double)(processor_time() - begun) / (double)count;
  bson_t *document = build();
  begun = processor_time();
  for (int64_t index = 0; index < count; index++) {
    struct row row;
    read_row(document, &row);
    sum += row.amount;
    free(row.type);
    free(row.roles[0]);
    free(row.roles[1]);
  }
  double read = (double)(processor_time() - begun) / (double)count;
  begun = processor_time();
  for (int64_t index = 0; index < count; index++) sum += bson_validate(document, BSON_VALIDATE_UTF8, NULL);
  double check = (double)(processor_time() - begun) / (double)count;
  if (sum != count * 123457 || bytes != count * document->len) return 70;
  printf("{\"bytes\":%u,\"write\":%f,\"read\":%f,\"check\":%f}\n", document->len, write, read, check);
  bson_destroy(document);
  return 0;
}
