#ifndef MOBO_CNGHTTP2_SHIM_H
#define MOBO_CNGHTTP2_SHIM_H

#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Blocks that nghttp2 has given back on this thread, for the next call's: it takes and gives ten for each, which
 * malloc's own cache of seven a size is too small for when a hundred calls are under way. Places are for 24, 40, 56
 * bytes and so on, the usable sizes of glibc; blocks of another malloc fit between them and go to the smaller. */
#define MOBO_KEPT_SIZE_MAX 520
#define MOBO_KEPT_SIZES (MOBO_KEPT_SIZE_MAX / 16 + 1)
#define MOBO_KEPT_BLOCKS 256

typedef struct mobo_kept_block {
  struct mobo_kept_block *next;
} mobo_kept_block;

typedef struct {
  mobo_kept_block *first[MOBO_KEPT_SIZES];
  unsigned count[MOBO_KEPT_SIZES];
} mobo_kept_blocks;

static inline mobo_kept_blocks *mobo_kept_here(void) {
  static __thread mobo_kept_blocks blocks;
  return &blocks;
}

/* Where a block for so many bytes is looked for. */
static inline size_t mobo_place_for(size_t size) { return size <= 24 ? 1 : (size + 7) / 16; }

/* Where a block of so many usable bytes is kept: all who look there find room. Beyond the places: nowhere. */
static inline size_t mobo_place_of(size_t usable) { return usable < 24 ? MOBO_KEPT_SIZES : (usable - 8) / 16; }

static inline void *mobo_block_take(size_t size) {
  size_t place = mobo_place_for(size);
  mobo_kept_blocks *kept = mobo_kept_here();
  if (place >= MOBO_KEPT_SIZES || !kept->first[place]) return malloc(size);
  mobo_kept_block *block = kept->first[place];
  kept->first[place] = block->next;
  kept->count[place]--;
  return block;
}

static inline void mobo_block_give(void *pointer) {
  if (!pointer) return;
  size_t place = mobo_place_of(malloc_usable_size(pointer));
  mobo_kept_blocks *kept = mobo_kept_here();
  if (place >= MOBO_KEPT_SIZES || kept->count[place] == MOBO_KEPT_BLOCKS) {
    free(pointer);
    return;
  }
  mobo_kept_block *block = (mobo_kept_block *)pointer;
  block->next = kept->first[place];
  kept->first[place] = block;
  kept->count[place]++;
}

/* Where a session and its output buffer live.
 *
 * nghttp2 gives every session an output buffer of 16 KiB, of which an idle connection, or one of small calls, only
 * ever uses the first bytes; wherever malloc puts it, it makes parts of two more pages resident. Here the session
 * comes first in a block of its own and the output buffer begins a little before the end of the first page, so that
 * the other four pages cost nothing until a large frame is sent. With ten thousand connections this is 40 MiB.
 *
 * Everything else is malloc's or kept, and freeing tells the two apart by the address. */
#define MOBO_SESSION_PAGE ((size_t)4096)
#define MOBO_SESSION_BLOCK (5 * MOBO_SESSION_PAGE)
#define MOBO_SESSION_OUTPUT (MOBO_SESSION_PAGE - 128)
#define MOBO_SESSION_OUTPUT_LEAST ((size_t)16384)

/* The beginning of a block. */
typedef struct {
  size_t used; /* Bytes of the first page, this included. */
  int has_output;
} mobo_session_memory;

static inline int mobo_session_owns(const void *pointer, const void *memory) {
  return (uintptr_t)pointer - (uintptr_t)memory < MOBO_SESSION_BLOCK;
}

static inline void *mobo_session_take(size_t size, mobo_session_memory *memory) {
  if (size >= MOBO_SESSION_OUTPUT_LEAST) {
    if (memory->has_output || size > MOBO_SESSION_BLOCK - MOBO_SESSION_OUTPUT) return NULL;
    memory->has_output = 1;
    return (char *)memory + MOBO_SESSION_OUTPUT;
  }
  /* The session and one table; after them the page is full. */
  size_t padded = (size + 15) & ~(size_t)15;
  if (size < 512 || padded > MOBO_SESSION_OUTPUT - memory->used) return NULL;
  void *taken = (char *)memory + memory->used;
  memory->used += padded;
  return taken;
}

static inline void *mobo_session_malloc(size_t size, void *memory) {
  void *taken = size < 512 ? NULL : mobo_session_take(size, (mobo_session_memory *)memory);
  return taken ? taken : mobo_block_take(size);
}

static inline void mobo_session_free(void *pointer, void *memory) {
  if (!mobo_session_owns(pointer, memory)) mobo_block_give(pointer);
}

static inline void *mobo_session_calloc(size_t count, size_t size, void *memory) {
  void *taken = mobo_session_malloc(count * size, memory);
  return taken ? memset(taken, 0, count * size) : NULL;
}

static inline void *mobo_session_realloc(void *pointer, size_t size, void *memory) {
  if (!pointer) return mobo_session_malloc(size, memory);
  if (!mobo_session_owns(pointer, memory)) return realloc(pointer, size);
  size_t rest = MOBO_SESSION_BLOCK - ((uintptr_t)pointer - (uintptr_t)memory);
  void *moved = malloc(size);
  return moved ? memcpy(moved, pointer, size < rest ? size : rest) : NULL;
}

/* The memory for one session; to be freed by `free` when the session is deleted. NULL without memory. */
static inline mobo_session_memory *mobo_session_memory_new(void) {
  mobo_session_memory *memory = (mobo_session_memory *)aligned_alloc(MOBO_SESSION_PAGE, MOBO_SESSION_BLOCK);
  if (memory) {
    memory->used = sizeof(mobo_session_memory);
    memory->has_output = 0;
  }
  return memory;
}

/* nghttp2's hooks for it; nghttp2 copies them. */
static inline nghttp2_mem mobo_session_memory_hooks(mobo_session_memory *memory) {
  nghttp2_mem hooks = {memory, mobo_session_malloc, mobo_session_free, mobo_session_calloc, mobo_session_realloc};
  return hooks;
}

#endif
