/* The event bus of the process: something happened, look again. Topics are small integers; a
 * subscriber holds a position per topic and waits until it moves. Nothing is delivered but the
 * counter: readers go to the store with a cursor, so nothing can be lost or leaked here. */
#ifndef RECOUNT_RUN_BUS_H
#define RECOUNT_RUN_BUS_H

#include <stdint.h>

#include "base/arena.h"

struct bus;
enum bus_topic { BUS_AUDIT, BUS_SESSION, BUS_JOB, BUS_DATA, BUS_TOPICS };

struct bus *bus_create(struct arena *a);
void bus_publish(struct bus *b, enum bus_topic t);
uint64_t bus_position(struct bus *b, enum bus_topic t);
/* Waits until any topic of the mask (1u << topic) is past since[topic], or timeout_ms; gives the mask of moved topics. */
unsigned bus_wait(struct bus *b, unsigned mask, const uint64_t since[BUS_TOPICS], int timeout_ms);
/* Wakes every waiter and makes all later waits return at once (stopping). */
void bus_stop(struct bus *b);
/* Calls fn(arg) at every publish of a topic of the mask, on the publishing thread; fn only signals. */
void bus_listen(struct bus *b, unsigned mask, void (*fn)(void *arg, enum bus_topic t), void *arg);

#endif
