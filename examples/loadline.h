/* Marks the phases of a C program for Loadline. Copy this file next to your program.
 *     loadline_begin("load");  load(n);  loadline_end("load"); */
#include <stdio.h>
#include <stdlib.h>
#ifdef __has_include
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h> /* callgrind then counts each phase by itself */
#endif
#endif

#ifndef CALLGRIND_DUMP_STATS_AT
#define CALLGRIND_DUMP_STATS_AT(phase) (void)(phase)
#define CALLGRIND_START_INSTRUMENTATION
#endif
static void loadline_mark(const char *name) {
    printf("\nloadline:phase=%s\n", name);
    fflush(stdout);
    int c = getenv("LOADLINE_ACK") ? 0 : EOF;
    while (c != '\n' && c != EOF) c = getchar(); /* Loadline has read its counters */
}
static void loadline_begin(const char *phase) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT("none");
    loadline_mark(phase);
    CALLGRIND_DUMP_STATS_AT("none");
}
static void loadline_end(const char *phase) {
    CALLGRIND_DUMP_STATS_AT(phase);
    loadline_mark("none");
}
