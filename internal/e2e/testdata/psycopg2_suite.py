"""Prints what psycopg2 sees of a server, line by line."""
import io, sys, threading
import psycopg2, psycopg2.extras, psycopg2.extensions as ext

URL = sys.argv[1]


def error(e):
    d = e.diag
    print(type(e).__name__, e.pgcode, d.severity, d.message_primary, d.message_detail, d.message_hint, d.statement_position,
          d.schema_name, d.table_name, d.column_name, d.constraint_name)


def shown(rows):
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]


def attempt(cur, sql, args=None):
    try:
        cur.execute(sql, args)
        print(cur.statusmessage, cur.rowcount, [c.name + ":" + str(c.type_code) for c in cur.description or []],
              shown(cur.fetchall()) if cur.description else None, cur.connection.get_transaction_status())
    except psycopg2.Error as e:
        error(e)
        print("status", cur.connection.get_transaction_status())


def blocked():
    """Each way in which a statement over the threshold is sent; then ones within it."""
    conn = psycopg2.connect(URL)
    cur = conn.cursor()
    for conn.autocommit in True, False:
        for how, send in (
            ("execute", lambda: cur.execute("DELETE FROM parent WHERE id <= %s", (600,))),
            ("returning", lambda: cur.execute("DELETE FROM parent WHERE id <= 600 RETURNING id")),
            ("several", lambda: cur.execute("DELETE FROM child WHERE parent_id = 601; DELETE FROM parent WHERE id <= 600; SELECT 'not reached'")),
            ("executemany", lambda: cur.executemany("DELETE FROM parent WHERE id BETWEEN 602 AND %s", [(1300,), (602,)])),
            ("execute_batch", lambda: psycopg2.extras.execute_batch(cur, "DELETE FROM parent WHERE id BETWEEN 603 AND %s", [(603,), (1300,)])),
            ("execute_values", lambda: psycopg2.extras.execute_values(cur, "DELETE FROM parent WHERE id IN (%s)", [(i,) for i in range(1, 601)], template="%s", page_size=600)),
        ):
            try:
                send()
                print(how, "was not refused")
            except psycopg2.Error as e:
                print(how, type(e).__name__, e.pgcode, e.diag.severity, conn.get_transaction_status())
            conn.rollback()
    cur.execute("SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)")
    print(cur.fetchone())
    psycopg2.extras.execute_batch(cur, "DELETE FROM parent WHERE id = %s", [(i,) for i in range(600, 620)])
    conn.commit()


if len(sys.argv) > 2:
    blocked()
    sys.exit()

conn = psycopg2.connect(URL)
cur = conn.cursor()
print("server", conn.server_version, conn.encoding, conn.get_parameter_status("TimeZone"), conn.get_parameter_status("is_superuser"))

attempt(cur, "CREATE TABLE parent (id int PRIMARY KEY, v text, b bytea, j jsonb, n numeric)")
attempt(cur, "CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE)")
attempt(cur, "CREATE TABLE strict (parent_id int CONSTRAINT strictly REFERENCES parent)")
psycopg2.extras.execute_values(cur, "INSERT INTO parent VALUES %s", [(i, "ä%d" % i, b"\x00\xff", '{"i": %d}' % i, i / 8) for i in range(300)])
print("values", cur.rowcount)
cur.executemany("INSERT INTO child (parent_id) VALUES (%s)", [(i % 100,) for i in range(250)])
psycopg2.extras.execute_batch(cur, "INSERT INTO strict VALUES (%s)", [(50,), (51,)])
conn.commit()

print("-- queries")
attempt(cur, "SELECT %s, %s, %s::date, %s", (1, "a'b", "2024-02-29", [1, 2]))
attempt(cur, "SELECT * FROM parent WHERE id = %(id)s", {"id": 7})
attempt(cur, "SELECT nothing")
attempt(cur, "SELECT 1")
conn.rollback()

print("-- deletes")
attempt(cur, "DELETE FROM parent WHERE id = %s", (1,))
attempt(cur, "DELETE FROM parent WHERE id < %s RETURNING id, v, b::text, j, n", (4,))
attempt(cur, "DELETE FROM parent WHERE id = %s", (50,))
conn.rollback()
attempt(cur, "DELETE FROM parent WHERE id = 1; DELETE FROM parent WHERE id = 2")
attempt(cur, "DELETE FROM parent WHERE id = 3; SELECT 'last'")
conn.commit()
cur.executemany("DELETE FROM parent WHERE id = %s", [(i,) for i in range(10, 20)])
print("executemany", cur.rowcount)
psycopg2.extras.execute_batch(cur, "DELETE FROM parent WHERE id = %s", [(i,) for i in range(20, 40)], page_size=7)
conn.commit()
attempt(cur, "SELECT count(*) FROM parent")
attempt(cur, "SELECT count(*) FROM child")
attempt(cur, "DELETE FROM parent USING child WHERE parent.id = nothing")
conn.rollback()
with conn:
    attempt(cur, "PREPARE d AS DELETE FROM parent WHERE id = $1 RETURNING id")
    attempt(cur, "EXECUTE d (%s)", (60,))
    attempt(cur, "EXECUTE d (%s)", (60,))

print("-- cursors on the server")
with conn, conn.cursor("named", scrollable=True, withhold=False) as c:
    c.itersize = 30
    c.execute("SELECT id FROM parent WHERE id >= 100 ORDER BY id")
    print(c.fetchmany(3), sum(r[0] for r in c))
    c.scroll(0, mode="absolute")
    print(c.fetchone())

print("-- copy")
out = io.StringIO()
cur.copy_expert("COPY (SELECT id, v, n FROM parent WHERE id BETWEEN 100 AND 103 ORDER BY id) TO STDOUT WITH CSV HEADER", out)
print(out.getvalue())
cur.copy_from(io.StringIO("".join("%d\tcopied\n" % i for i in range(1000, 6000))), "parent", columns=("id", "v"))
print("copied", cur.rowcount)
try:
    cur.copy_from(io.StringIO("1000\tagain\n"), "parent", columns=("id", "v"))
except psycopg2.Error as e:
    error(e)
conn.rollback()


class Broken(io.StringIO):
    def read(self, n=-1):
        raise RuntimeError("the client gives up")


try:
    cur.copy_expert("COPY parent FROM STDIN", Broken())
except psycopg2.Error as e:
    print(type(e).__name__, e.pgcode)
conn.rollback()
binary = io.BytesIO()
cur.copy_expert("COPY (SELECT n, n::text FROM generate_series(1, 3) n) TO STDOUT WITH BINARY", binary)
print(binary.getvalue())

print("-- savepoints, isolation, two phases")
attempt(cur, "SAVEPOINT a")
attempt(cur, "DELETE FROM parent WHERE id = 70")
attempt(cur, "ROLLBACK TO a")
conn.commit()
attempt(cur, "SELECT id FROM parent WHERE id = 70")
conn.rollback()
conn.set_session(isolation_level=ext.ISOLATION_LEVEL_SERIALIZABLE, readonly=True)
attempt(cur, "DELETE FROM parent WHERE id = 70")
conn.rollback()
conn.set_session(isolation_level=ext.ISOLATION_LEVEL_DEFAULT, readonly=False)
conn.tpc_begin(conn.xid(1, URL[-12:], "b"))
attempt(cur, "DELETE FROM parent WHERE id = 71")
conn.tpc_prepare()
conn.tpc_commit()
conn.reset()

print("-- notices and notifications")
conn.autocommit = True
attempt(cur, "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$")
print(conn.notices)
attempt(cur, "LISTEN ch")
attempt(cur, "NOTIFY ch, 'load'")
conn.poll()
print([(n.channel, n.payload) for n in conn.notifies])

print("-- cancel")


def cancel():
    watch = psycopg2.connect(URL)
    watch.autocommit = True
    c = watch.cursor()
    while True:
        c.execute("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
        if c.fetchone():
            break
    watch.close()
    conn.cancel()


t = threading.Thread(target=cancel)
t.start()
attempt(cur, "SELECT pg_sleep(600)")
t.join()
attempt(cur, "SELECT 'alive'")

print("-- large objects")
conn.autocommit = False
lo = conn.lobject(0, "wb")
lo.write(b"large " * 20000)
lo.seek(6)
oid = lo.oid
lo.close()
lo = conn.lobject(oid, "rb")
print(len(lo.read()), lo.tell())
lo.unlink()
conn.commit()

print("-- state of the session")
attempt(cur, "SELECT count(*), sum(id) FROM parent")
attempt(cur, "SELECT name FROM pg_prepared_statements")
conn.close()
