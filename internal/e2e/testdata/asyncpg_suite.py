"""Prints what asyncpg sees of a server, line by line."""
import asyncio, datetime, io, sys
import asyncpg

URL = sys.argv[1]


def error(e):
    print(type(e).__name__, *(getattr(e, name, None) for name in (
        "sqlstate", "severity", "message", "detail", "hint", "position", "table_name", "column_name", "constraint_name")))


async def attempt(awaited):
    try:
        got = await awaited
        print([tuple(r) for r in got] if isinstance(got, list) else tuple(got) if isinstance(got, asyncpg.Record) else got)
    except asyncpg.PostgresError as e:
        error(e)


def section(name):
    print("--", name)


async def blocked():
    """Each way in which a statement over the threshold is sent."""
    conn = await asyncpg.connect(URL)
    prepared = await conn.prepare("DELETE FROM parent WHERE id <= $1")
    for way in (lambda: conn.execute("DELETE FROM parent WHERE id <= 600"),
                lambda: conn.execute("DELETE FROM parent WHERE id <= $1", 600),
                lambda: conn.fetch("DELETE FROM parent WHERE id <= $1 RETURNING id", 600),
                lambda: prepared.fetch(600),
                lambda: conn.executemany("DELETE FROM parent WHERE id <= $1", [(600,), (700,)])):
        try:
            print(await way())
        except asyncpg.PostgresError as e:
            print(type(e).__name__, e.sqlstate, e.severity, conn.is_in_transaction())
        try:
            async with conn.transaction():
                await conn.execute("DELETE FROM child WHERE parent_id = 2")
                await way()
        except asyncpg.PostgresError as e:
            print("in a transaction", e.sqlstate)
    print(await conn.fetchval("SELECT count(*) FROM parent"), await conn.fetchval("SELECT count(*) FROM child"))
    await conn.close()


async def queries(conn):
    section("types")
    print(dict(await conn.fetchrow("SELECT * FROM parent WHERE id = $1", 7)))
    await attempt(conn.fetchrow("SELECT $1::int, $2::text, $3::date, $4::int[], $5::bytea, $6::int8range, $7::interval, $8::inet, $9::uuid[]",
                                1, "a'ä", datetime.date(2024, 2, 29), [1, None], b"\0\xff", asyncpg.Range(1, 5), datetime.timedelta(1, 7),
                                "10.0.0.1", ["072b030b-a126-b2f4-b237-4f342be9ed44"]))
    # Composites and enums are looked up by asyncpg's own query, which it prepares.
    await attempt(conn.execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b mood)"))
    await attempt(conn.fetchrow("SELECT $1::mood, $2::pair, ARRAY[$1::mood]", "sad", (1, "glad")))
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=lambda s: ("decoded", s))
    await attempt(conn.fetchval("SELECT j FROM parent WHERE id = 8"))
    await attempt(conn.execute("SELECT 1; SELECT 2"))
    await attempt(conn.fetch(""))
    section("errors")
    for query, args in (
        ("SELECT nothing FROM parent", ()), ("SELECT $1::int FROM nowhere", (1,)), ("SELEC 1", ()), ("SELECT 1 / $1::int", (0,)),
        ("INSERT INTO parent (id, v) VALUES ($1, 'again')", (1,)), ("INSERT INTO parent (id, v) VALUES (-1, 'below')", ()),
        ("INSERT INTO parent (id) VALUES (2000)", ()), ("SELECT 1; SELECT 1/0; SELECT 2", ()), ("DELETE FROM parent; DELETE FROM child WHERE id = $1", (1,)),
    ):
        await attempt(conn.execute(query, *args))


async def deletes(conn):
    section("deletes")
    for i in range(1, 9):
        await attempt(conn.execute("DELETE FROM parent WHERE id = $1", i))
        await attempt(conn.fetch("DELETE FROM parent WHERE id = $1 RETURNING id, v, n, j, at, day, b, a, u, ok, f, big", i + 10))
    await attempt(conn.execute("DELETE FROM parent WHERE id = 21"))
    await attempt(conn.execute("DELETE FROM parent WHERE id = 22; DELETE FROM parent WHERE id = 23; SELECT 'last'"))
    await attempt(conn.execute("DELETE FROM parent WHERE id = 24; SELECT 1/0; DELETE FROM parent WHERE id = 25"))
    await attempt(conn.fetchval("DELETE FROM parent WHERE id = ANY($1::int[]) RETURNING v", [26, 27, 28]))
    await attempt(conn.fetchrow("DELETE FROM parent WHERE id BETWEEN 30 AND 39 RETURNING id"))
    await attempt(conn.fetch("DELETE FROM parent p USING child c WHERE p.id = c.parent_id AND p.id = $1 RETURNING p.id, c.parent_id", 40))
    for i in 1400, 1401:
        await attempt(conn.execute("DELETE FROM parent WHERE id = $1", i))
    await attempt(conn.execute("DELETE FROM parent WHERE nothing = $1", 1))
    await attempt(conn.execute("DELETE FROM parent WHERE id BETWEEN 100 AND 199"))
    section("many at once")
    await attempt(conn.executemany("DELETE FROM parent WHERE id = $1", [(i,) for i in range(200, 260)]))
    await attempt(conn.executemany("DELETE FROM parent WHERE id = $1", [(260,), (1400,), (261,)]))
    await attempt(conn.executemany("INSERT INTO parent (id, v) VALUES ($1, $2)", [(i, "many %d" % i) for i in range(2000, 4000)]))
    await attempt(conn.fetch("SELECT id FROM parent WHERE id IN (24, 25, 259, 260, 261) ORDER BY id"))


async def transactions(conn):
    section("transactions and savepoints")
    async with conn.transaction():
        await attempt(conn.execute("DELETE FROM parent WHERE id = 270"))
        try:
            async with conn.transaction():
                await attempt(conn.execute("DELETE FROM parent WHERE id = $1", 271))
                await conn.execute("DELETE FROM parent WHERE id = $1", 1400)
        except asyncpg.PostgresError as e:
            error(e)
        async with conn.transaction():
            await attempt(conn.execute("DELETE FROM parent WHERE id = $1", 272))
    try:
        async with conn.transaction():
            await attempt(conn.execute("DELETE FROM parent WHERE id = 1401"))
    except asyncpg.PostgresError as e:
        error(e)
    try:
        async with conn.transaction(isolation="serializable", readonly=True, deferrable=True):
            await conn.execute("DELETE FROM parent WHERE id = 273")
    except asyncpg.PostgresError as e:
        error(e)
    try:
        async with conn.transaction(isolation="repeatable_read"):
            await attempt(conn.execute("DELETE FROM parent WHERE id = 274"))
            raise KeyError
    except KeyError:
        pass
    await attempt(conn.fetch("SELECT id FROM parent WHERE id BETWEEN 269 AND 275 ORDER BY id"))


async def prepared(conn):
    section("prepared statements")
    p = await conn.prepare("DELETE FROM parent WHERE id = $1 AND n > $2 RETURNING id AS gone, n * 2 AS twice")
    print([(t.name, t.kind) for t in p.get_parameters()], [(a.name, a.type.name) for a in p.get_attributes()])
    for i in range(280, 284):
        await attempt(p.fetch(i, 1))
        print(p.get_statusmsg())
    print(await p.explain(284, 1) != "")
    await attempt(p.executemany([(i, 1) for i in range(285, 290)]))
    # A statement of asyncpg's cache whose table has changed.
    for change in "ALTER TABLE loose ADD COLUMN more int", "ALTER TABLE loose DROP COLUMN more":
        await attempt(conn.fetch("DELETE FROM loose WHERE id = $1 RETURNING *", 1))
        await attempt(conn.execute(change))
    await attempt(conn.fetch("DELETE FROM loose WHERE id = $1 RETURNING *", 2))
    await conn.reset()
    await attempt(conn.execute("DELETE FROM loose WHERE id = $1", 3))


async def cursors(conn):
    section("cursors")
    async with conn.transaction():
        rows = [r["id"] async for r in conn.cursor("SELECT id FROM parent WHERE id >= $1 ORDER BY id", 300, prefetch=7)]
        print(len(rows), sum(rows))
        c = await conn.cursor("SELECT id FROM parent WHERE id >= 300 ORDER BY id")
        print(await c.fetch(3), await c.forward(2))
        await attempt(conn.execute("DELETE FROM parent WHERE id = 306"))
        print(await c.fetchrow())


async def copies(conn):
    section("copy")
    print(await conn.copy_records_to_table("parent", records=[(i, "copied %d" % i) for i in range(10000, 16000)], columns=["id", "v"]))
    for records in [(10000, "again")], [(20000, None)]:
        await attempt(conn.copy_records_to_table("parent", records=records, columns=["id", "v"]))
    print(await conn.copy_to_table("parent", source=io.BytesIO(b"16000,csv\n"), columns=["id", "v"], format="csv"))
    out = io.BytesIO()
    print(await conn.copy_from_query("SELECT id, v, n FROM parent WHERE id BETWEEN $1 AND $2 ORDER BY id", 500, 503, output=out, format="csv"), out.getvalue())

    async def broken():
        yield b"20000\tx\n"
        raise RuntimeError("the client gives up")

    try:
        await conn.copy_to_table("parent", source=broken(), columns=["id", "v"])
    except RuntimeError as e:
        print(e)
    await attempt(conn.fetchrow("SELECT count(*), max(id) FROM parent"))


async def rest(conn):
    section("notices and notifications")
    conn.add_log_listener(lambda _, m: print("notice", m.severity, m.message, m.hint))
    await attempt(conn.execute("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING HINT = 'three'; END $$"))
    told = asyncio.Queue()
    await conn.add_listener("ch", lambda c, pid, channel, payload: told.put_nowait((channel, payload, pid == c.get_server_pid())))
    await conn.execute("NOTIFY ch, 'load'")
    print(await told.get())
    async with conn.transaction():
        await conn.execute("DELETE FROM parent WHERE id = $1", 310)
        await conn.execute("SELECT pg_notify('ch', $1)", "in a transaction with a delete")
    print(await told.get())
    await conn.reset()
    section("cancel and timeouts")
    watch = await asyncpg.connect(URL)
    for query in "SELECT pg_sleep(600)", "DELETE FROM parent WHERE id = 311 AND pg_sleep(600) IS NOT NULL":
        task = asyncio.create_task(conn.fetch(query))
        while not await watch.fetch("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"):
            pass
        task.cancel()  # asyncpg sends a cancel request
        print([type(e).__name__ for e in await asyncio.gather(task, return_exceptions=True)])
        print(await conn.fetchval("SELECT 'alive'"))
    await watch.close()
    await conn.execute("SET statement_timeout = 50")
    await attempt(conn.execute("DELETE FROM parent WHERE id = 311 AND pg_sleep(600) IS NOT NULL"))
    await conn.execute("RESET statement_timeout")
    await attempt(conn.execute("DELETE FROM parent WHERE id = 311"))
    section("a pool")
    async with asyncpg.create_pool(URL, min_size=2, max_size=4) as pool:
        got = await asyncio.gather(*(pool.fetch("DELETE FROM parent WHERE id = $1 RETURNING id", i) for i in range(320, 350)))
        print([r["id"] for rows in got for r in rows])
    section("state of the session")
    await attempt(conn.fetchrow("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent"))
    await attempt(conn.fetchrow("SELECT count(*), sum(parent_id) FROM child"))
    await attempt(conn.fetchrow("SELECT count(*), count(parent_id) FROM loose"))
    await attempt(conn.fetch("SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1"))
    await attempt(conn.fetch("SELECT name FROM pg_cursors WHERE name <> ''"))
    await attempt(conn.fetch("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'DELETE%' ORDER BY 1"))


async def main():
    conn = await asyncpg.connect(URL)
    print("server", conn.get_server_version(), conn.get_settings())
    for part in queries, deletes, transactions, prepared, cursors, copies, rest:
        await part(conn)
    await conn.close()
    conn = await asyncpg.connect(URL, statement_cache_size=0)  # unnamed statements, as behind pgbouncer
    for i in 360, 361:
        await attempt(conn.fetch("DELETE FROM parent WHERE id = $1 RETURNING id", i))
    await conn.close()


asyncio.run(blocked() if len(sys.argv) > 2 else main())
