/* The schema of a SQLite segment's two files. Format 1 is final for the files written with it:
 * segments carry their number and are never migrated. */
#ifndef RECOUNT_AUDIT_SEGMENT_SCHEMA_H
#define RECOUNT_AUDIT_SEGMENT_SCHEMA_H

#define SEGMENT_FORMAT 1
extern const char segment_events_sql[];
extern const char segment_text_sql[];

#endif
