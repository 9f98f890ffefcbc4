"""Prints what psycopg 3 sees of a server, line by line."""
import logging, sys, threading
import psycopg
from psycopg.rows import dict_row

URL = sys.argv[1]
# Whether it warns that a pipeline is aborted depends on how answers are cut into packets.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def error(e):
    d = e.diag
    print(type(e).__name__, e.sqlstate, d.severity, d.message_primary, d.message_detail, d.message_hint, d.statement_position,
          d.table_name, d.column_name, d.constraint_name)


def shown(cur):
    """Every result that a cursor holds."""
    while True:
        columns = [(c.name, c.type_code, c.internal_size) for c in cur.description or []]
        print(cur.statusmessage, cur.rowcount, columns, cur.fetchall() if cur.description else None)
        if not cur.nextset():
            break


def attempt(conn, query, args=None, **how):
    try:
        shown(conn.execute(query, args, **how))
    except psycopg.Error as e:
        error(e)
    print("status", conn.info.transaction_status.name)


def section(name):
    print("--", name)


def blocked():
    """Each way in which a statement over the threshold is sent."""
    for autocommit in True, False:
        with psycopg.connect(URL, autocommit=autocommit) as conn:
            for how in {}, {"prepare": True}, {"binary": True}:
                try:
                    conn.execute("DELETE FROM parent WHERE id <= %s", (600,), **how)
                except psycopg.Error as e:
                    print(type(e).__name__, e.sqlstate, e.diag.severity, conn.info.transaction_status.name)
                conn.rollback()
            try:
                with conn.pipeline():
                    conn.execute("DELETE FROM child WHERE parent_id = 2")
                    conn.execute("DELETE FROM parent WHERE id <= 600")
                    conn.execute("SELECT 'not reached'")
            except psycopg.Error as e:
                print("pipeline", type(e).__name__, e.sqlstate, conn.info.transaction_status.name)
            conn.rollback()
            print(conn.execute("SELECT count(*) FROM parent").fetchone())


def queries(conn):
    section("types, as text and in binary")
    for binary in False, True:
        cur = conn.execute("SELECT * FROM parent WHERE id = %s", (7,), binary=binary)
        shown(cur)
    attempt(conn, "SELECT %s, %s, %s::date, %s, %s", (1, "a'ä", "2024-02-29", [1, 2], b"\x00\xff"))
    attempt(conn, "SELECT %s::int8range, %s::interval", ("[1,5)", "1 day 2 h"))
    attempt(conn, "SELECT 1; SELECT 2, 'two'; VALUES (3), (4)")
    attempt(conn, "")
    print(conn.cursor(row_factory=dict_row).execute("SELECT id, v FROM parent WHERE id = 8").fetchone())
    section("errors")
    attempt(conn, "SELECT nothing FROM parent")
    attempt(conn, "SELECT %s FROM nowhere", (1,))
    attempt(conn, "SELEC 1")
    attempt(conn, "INSERT INTO parent (id, v) VALUES (%s, 'again')", (1,))
    attempt(conn, "INSERT INTO parent (id, v) VALUES (%s, 'below')", (-1,))
    attempt(conn, "INSERT INTO parent (id) VALUES (2000)")
    attempt(conn, "SELECT 1 / %s", (0,))
    attempt(conn, "SELECT 1; SELECT 1/0; SELECT 2")


def deletes(conn):
    section("deletes")
    start = 1
    for how in {}, {"prepare": True}, {"binary": True}, {"prepare": False}:
        for i in range(start, start + 6, 2):
            attempt(conn, "DELETE FROM parent WHERE id = %s", (i,), **how)
            attempt(conn, "DELETE FROM parent WHERE id = %s RETURNING id, n, j, at, b", (i + 1,), **how)
        start += 6
    attempt(conn, "DELETE FROM parent WHERE id = ANY(%s) RETURNING id, u, a", ([60, 61, 62],))
    attempt(conn, "DELETE FROM parent USING child WHERE parent.id = child.parent_id AND parent.id = %s RETURNING parent.id", (63,))
    attempt(conn, "DELETE FROM parent WHERE id = 64; DELETE FROM parent WHERE id = 65 RETURNING id; SELECT 'last'")
    attempt(conn, "DELETE FROM parent WHERE id = 66; SELECT 1/0; DELETE FROM parent WHERE id = 67")
    attempt(conn, "DELETE FROM parent WHERE id = 1400")
    attempt(conn, "DELETE FROM parent WHERE id = 1401")
    attempt(conn, "DELETE FROM parent WHERE nothing = %s", (1,))
    attempt(conn, "DELETE FROM parent WHERE id = %s", ("seven",))
    attempt(conn, "DELETE FROM parent WHERE id BETWEEN %s AND %s", (100, 199))
    cur = conn.cursor()
    cur.executemany("DELETE FROM parent WHERE id = %s", [(i,) for i in range(200, 230)])
    print("executemany", cur.rowcount)
    cur.executemany("DELETE FROM parent WHERE id = %s RETURNING id", [(i,) for i in range(230, 235)], returning=True)
    shown(cur)
    try:
        cur.executemany("DELETE FROM parent WHERE id = %s", [(240,), (1400,), (241,)])
    except psycopg.Error as e:
        error(e)
    attempt(conn, "SELECT id FROM parent WHERE id IN (66, 67, 240, 241) ORDER BY id")


def transactions(conn):
    section("transactions and savepoints")
    with conn.transaction():
        attempt(conn, "DELETE FROM parent WHERE id = 250")
        try:
            with conn.transaction():
                attempt(conn, "DELETE FROM parent WHERE id = 251")
                conn.execute("DELETE FROM parent WHERE id = 1400")
        except psycopg.Error as e:
            error(e)
        with conn.transaction(force_rollback=True):
            attempt(conn, "DELETE FROM parent WHERE id = 252 RETURNING id")
        with conn.transaction("named"):
            attempt(conn, "DELETE FROM parent WHERE id = 253")
    try:
        with conn.transaction():
            attempt(conn, "DELETE FROM parent WHERE id = 1401")
    except psycopg.Error as e:
        error(e)
    conn.isolation_level, conn.read_only = psycopg.IsolationLevel.SERIALIZABLE, True
    with conn.transaction(force_rollback=True):
        attempt(conn, "DELETE FROM parent WHERE id = 254")
    conn.isolation_level = conn.read_only = None
    attempt(conn, "SELECT id FROM parent WHERE id BETWEEN 249 AND 255 ORDER BY id")
    with psycopg.connect(URL) as two:
        two.tpc_begin(two.xid(1, two.info.dbname, "b"))
        attempt(two, "DELETE FROM parent WHERE id = 255")
        two.tpc_prepare()
        two.tpc_commit()


def pipelines(conn):
    section("pipelines")
    with conn.pipeline() as p:
        cursors = []
        for i in range(260, 300):
            cursors.append(conn.execute("DELETE FROM parent WHERE id = %s RETURNING id, v", (i,)))
            cursors.append(conn.execute("SELECT count(*) FROM child WHERE parent_id = %s", (i,)))
            if i % 10 == 0:
                p.sync()
        print([c.fetchone() for c in cursors], [c.rowcount for c in cursors])
        conn.cursor().executemany("DELETE FROM parent WHERE id = %s", [(i,) for i in range(300, 310)])
        print(conn.execute("SELECT count(*) FROM parent").fetchone())
    for broken in "SELECT nothing", "DELETE FROM parent WHERE id = 1400", "DELETE FROM parent WHERE nothing":
        try:
            with conn.pipeline() as p:
                before = conn.execute("DELETE FROM parent WHERE id = 310 RETURNING id")
                conn.execute(broken)
                conn.execute("DELETE FROM parent WHERE id = 311")
        except psycopg.Error as e:
            error(e)
        print(conn.info.transaction_status.name, conn.info.pipeline_status.name)
    attempt(conn, "SELECT id FROM parent WHERE id IN (310, 311) ORDER BY id")
    with conn.pipeline() as p, conn.transaction():
        first = conn.execute("DELETE FROM parent WHERE id = 312 RETURNING id")
        with conn.transaction():
            second = conn.execute("DELETE FROM parent WHERE id BETWEEN 313 AND 320")
        print(first.fetchall(), second.rowcount)
    try:
        with conn.pipeline(), conn.transaction():
            conn.execute("DELETE FROM parent WHERE id = 321")
            with conn.transaction():
                conn.execute("DELETE FROM parent WHERE id = 322")
                conn.execute("DELETE FROM parent WHERE id = 1400").fetchall()
    except psycopg.Error as e:
        error(e)
    attempt(conn, "SELECT id FROM parent WHERE id BETWEEN 311 AND 323 ORDER BY id")


def cursors(conn):
    section("cursors on the server")
    with conn.transaction():
        with conn.cursor("named", scrollable=True) as c:
            c.itersize = 30
            c.execute("SELECT id FROM parent WHERE id >= %s ORDER BY id", (400,))
            print(c.fetchmany(3), sum(r[0] for r in c))
            c.scroll(0, mode="absolute")
            print(c.fetchone(), c.description[0].name)
            attempt(conn, "DELETE FROM parent WHERE CURRENT OF named")
            attempt(conn, "DELETE FROM parent WHERE id = 402")
            print(c.fetchmany(2))
        with conn.cursor("binary") as c:
            c.execute("SELECT id, n FROM parent WHERE id > 1490 ORDER BY id", binary=True)
            print(c.fetchall())
    with psycopg.ServerCursor(conn, "held", withhold=True) as c:
        c.execute("SELECT id FROM parent ORDER BY id LIMIT 5")
        attempt(conn, "DELETE FROM parent WHERE id = 403")
        print(c.fetchall())
    for row in conn.cursor().stream("SELECT id, v FROM parent WHERE id > %s ORDER BY id", (1495,)):
        print(row)
    for row in conn.cursor().stream("DELETE FROM parent WHERE id BETWEEN 404 AND 408 RETURNING id"):
        print(row)


def copies(conn):
    section("copy")
    cur = conn.cursor()
    with cur.copy("COPY (SELECT id, v, n, b FROM parent WHERE id BETWEEN 500 AND 503 ORDER BY id) TO STDOUT") as copy:
        print([row for row in copy.rows()])
    with cur.copy("COPY (SELECT id, v FROM parent WHERE id BETWEEN 500 AND 503 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        print([row for row in copy.rows()])
    with cur.copy("COPY parent (id, v) FROM STDIN") as copy:
        for i in range(10000, 16000):
            copy.write_row((i, "copied %d" % i))
    print(cur.statusmessage, cur.rowcount)
    with cur.copy("COPY parent (id, v) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        copy.write_row((16000, "in binary"))
    print(cur.statusmessage)
    for rows in [(10000, "again")], [("x", "y")]:
        try:
            with cur.copy("COPY parent (id, v) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as e:
            error(e)
    try:
        with cur.copy("COPY parent (id, v) FROM STDIN") as copy:
            raise RuntimeError("the client gives up")
    except Exception as e:
        print(type(e).__name__, e)
    attempt(conn, "SELECT count(*), max(id) FROM parent")


def rest(conn):
    section("prepared statements")
    for i in range(420, 430):  # prepared by psycopg at the fifth
        attempt(conn, "DELETE FROM parent WHERE id = %s RETURNING id", (i,))
    attempt(conn, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'DELETE%'")
    attempt(conn, "ALTER TABLE loose ADD COLUMN more int")
    for i in range(3):
        attempt(conn, "DELETE FROM loose WHERE id = %s RETURNING *", (i,), prepare=True)
    attempt(conn, "ALTER TABLE loose DROP COLUMN more")
    attempt(conn, "DELETE FROM loose WHERE id = %s RETURNING *", (4,), prepare=True)
    attempt(conn, "DELETE FROM loose WHERE id = %s RETURNING *", (5,), prepare=True)
    attempt(conn, "DISCARD ALL")
    attempt(conn, "DELETE FROM loose WHERE id = %s RETURNING *", (6,), prepare=True)
    section("notices and notifications")
    conn.add_notice_handler(lambda d: print("notice", d.severity, d.message_primary, d.message_hint))
    attempt(conn, "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING HINT = 'three'; END $$")
    conn.add_notify_handler(lambda n: print("notification", n.channel, n.payload, n.pid == conn.info.backend_pid))
    attempt(conn, "LISTEN ch")
    attempt(conn, "NOTIFY ch, 'load'")
    with conn.transaction():
        conn.execute("DELETE FROM parent WHERE id = 431")
        conn.execute("SELECT pg_notify('ch', %s)", ("in a transaction with a delete",))
    section("cancel and timeouts")

    def cancel():
        with psycopg.connect(URL, autocommit=True) as watch:
            while not watch.execute("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").fetchone():
                pass
        conn.cancel()

    for query in "SELECT pg_sleep(600)", "DELETE FROM parent WHERE id = 432 AND pg_sleep(600) IS NOT NULL":
        thread = threading.Thread(target=cancel)
        thread.start()
        attempt(conn, query)
        thread.join()
    attempt(conn, "SET statement_timeout = 50")
    attempt(conn, "DELETE FROM parent WHERE id = 432 AND pg_sleep(600) IS NOT NULL")
    attempt(conn, "RESET statement_timeout")
    attempt(conn, "DELETE FROM parent WHERE id = 432")
    section("state of the session")
    attempt(conn, "SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent")
    attempt(conn, "SELECT count(*), sum(parent_id) FROM child")
    attempt(conn, "SELECT count(*), count(parent_id) FROM loose")
    attempt(conn, "SELECT statement FROM pg_prepared_statements ORDER BY 1")
    attempt(conn, "SELECT name FROM pg_cursors WHERE name <> ''")


if len(sys.argv) > 2:
    blocked()
else:
    with psycopg.connect(URL, autocommit=True) as conn:
        print("server", conn.info.server_version, conn.info.encoding, conn.info.parameter_status("TimeZone"))
        for part in queries, deletes, transactions, pipelines, cursors, copies, rest:
            part(conn)
    with psycopg.connect(URL) as conn:  # not autocommit: psycopg begins
        attempt(conn, "DELETE FROM parent WHERE id = 470")
        conn.commit()
        attempt(conn, "DELETE FROM parent WHERE id = 471 RETURNING id")
        conn.rollback()
        attempt(conn, "SELECT id FROM parent WHERE id IN (470, 471)")
