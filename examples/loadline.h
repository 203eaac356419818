/* Marks the phases of a C program for Loadline. Copy this file next to your program.
 *     loadline_begin("load");  load(n);  loadline_end("load"); */
#include <stdio.h>
#include <stdlib.h>
#ifdef __has_include
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h> /* callgrind then counts each phase by itself */
#endif
#endif

static void loadline_mark(const char *name) {
    printf("\nloadline:phase=%s\n", name);
    fflush(stdout);
    int c = getenv("LOADLINE_ACK") ? 0 : EOF;
    while (c != '\n' && c != EOF) c = getchar(); /* Loadline has read its counters */
}
static void loadline_begin(const char *phase) {
    loadline_mark(phase);
#ifdef CALLGRIND_DUMP_STATS_AT
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT("none");
#endif
}
static void loadline_end(const char *phase) {
#ifdef CALLGRIND_DUMP_STATS_AT
    CALLGRIND_DUMP_STATS_AT(phase);
#endif
    (void)phase;
    loadline_mark("none");
}
