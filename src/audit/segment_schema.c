/* The schema of a SQLite segment's two files, as text. */
#include "audit/segment_schema.h"

/* FAIL, not ABORT (and INSERT OR FAIL where the log is written): a statement that may abort half-way
 * keeps a journal of its own, which under a savepoint costs more than the insert itself. Nothing is
 * written before the refusal, and the transaction around it is rolled back. */
#define REFUSE "BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;\n"
/* INSERT OR REPLACE removes rows without firing delete triggers, hence the check before inserts. */
#define APPEND_ONLY(table) "CREATE TRIGGER " table "_update BEFORE UPDATE ON " table " " REFUSE
#define NO_REPLACE(table, same)                                                                    \
    "CREATE TRIGGER " table "_replace BEFORE INSERT ON " table                                     \
    " WHEN EXISTS (SELECT 1 FROM " table " x WHERE " same ") " REFUSE
#define NO_DELETE(table) "CREATE TRIGGER " table "_delete BEFORE DELETE ON " table " " REFUSE
#define SAME_LOG         "x.tenant_id = new.tenant_id AND x.epoch = new.epoch"
#define SAME_NODE        SAME_LOG " AND x.level = new.level AND x.n = new.n"
#define SAME_EVENT       "x.tenant_id = new.tenant_id AND x.epoch = new.epoch AND x.idx = new.idx"

/* SQL, a statement after the other. */
/* clang-format off */
const char segment_events_sql[] =
    "CREATE TABLE audit_state (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL,"
    " moved_to INTEGER NOT NULL) STRICT;\n"
    "CREATE TABLE audit_range (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " first INTEGER NOT NULL, next INTEGER NOT NULL, last_logged INTEGER NOT NULL,"
    " min_lag INTEGER NOT NULL, max_lag INTEGER NOT NULL, edge BLOB NOT NULL,"
    " PRIMARY KEY (tenant_id, epoch)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_event (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, cuid TEXT NOT NULL, type INTEGER NOT NULL, outcome INTEGER NOT NULL,"
    " at INTEGER NOT NULL, logged INTEGER NOT NULL, client_id INTEGER NOT NULL,"
    " public BLOB NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (tenant_id, epoch, idx))"
    " STRICT, WITHOUT ROWID;\n"
    "CREATE INDEX audit_event_type ON audit_event (tenant_id, epoch, type, idx);\n"
    "CREATE INDEX audit_event_bad ON audit_event (tenant_id, epoch, outcome, idx)"
    " WHERE outcome > 0;\n"
    "CREATE INDEX audit_event_client ON audit_event (tenant_id, epoch, client_id, idx)"
    " WHERE client_id <> 0;\n"
    "CREATE INDEX audit_event_cuid ON audit_event (tenant_id, cuid);\n"
    "CREATE TABLE audit_personal (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, salt BLOB NOT NULL, personal BLOB NOT NULL,"
    " PRIMARY KEY (tenant_id, epoch, idx)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_erasure (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, person TEXT NOT NULL, part INTEGER NOT NULL, request TEXT NOT NULL,"
    " inner_hash BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (tenant_id, epoch, idx, person))"
    " STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_party (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " user_id TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (tenant_id, epoch, user_id, idx))"
    " STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_node (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " level INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL,"
    " PRIMARY KEY (tenant_id, epoch, level, n)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_carry (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " first INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (tenant_id, epoch))"
    " STRICT, WITHOUT ROWID;\n"
    APPEND_ONLY("audit_event") NO_DELETE("audit_event") NO_REPLACE("audit_event", SAME_EVENT)
    APPEND_ONLY("audit_personal") NO_REPLACE("audit_personal", SAME_EVENT)
    "CREATE TRIGGER audit_personal_delete BEFORE DELETE ON audit_personal WHEN NOT EXISTS (SELECT 1"
    " FROM audit_erasure x WHERE x.tenant_id = old.tenant_id AND x.epoch = old.epoch"
    " AND x.idx = old.idx) " REFUSE
    APPEND_ONLY("audit_erasure") NO_DELETE("audit_erasure")
    NO_REPLACE("audit_erasure", SAME_EVENT " AND x.person = new.person")
    APPEND_ONLY("audit_party") NO_DELETE("audit_party")
    APPEND_ONLY("audit_node") NO_DELETE("audit_node") NO_REPLACE("audit_node", SAME_NODE)
    APPEND_ONLY("audit_carry") NO_DELETE("audit_carry") NO_REPLACE("audit_carry", SAME_LOG)
    "CREATE TRIGGER audit_state_update BEFORE UPDATE ON audit_state"
    " WHEN new.moved_to < old.moved_to " REFUSE
    NO_DELETE("audit_state") NO_REPLACE("audit_state", "x.id = new.id")
    "INSERT INTO audit_state (id, format, moved_to) VALUES (1, 1, 0);\n";

const char segment_text_sql[] =
    "CREATE TABLE audit_gram (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " level INTEGER NOT NULL, chunk INTEGER NOT NULL, gram INTEGER NOT NULL, n INTEGER NOT NULL,"
    " list BLOB NOT NULL, PRIMARY KEY (tenant_id, epoch, level, chunk, gram))"
    " STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE audit_chunk (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " level INTEGER NOT NULL, chunk INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL,"
    " bigrams BLOB NOT NULL, PRIMARY KEY (tenant_id, epoch, lo)) STRICT, WITHOUT ROWID;\n";
/* clang-format on */
