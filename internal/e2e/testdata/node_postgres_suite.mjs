// Prints what postgres.js sees of a server, line by line. It sends what it is
// given at once, in a pipeline, and describes a statement with Flush before it binds.
import { createRequire } from 'node:module';

const postgres = createRequire(import.meta.url)('postgres');
const url = process.argv[2];
const say = (...what) => console.log(...what.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))));
const section = (name) => say('-- ' + name);
const failed = (e) => say('error', e.name, ...['code', 'severity', 'message', 'detail', 'hint', 'position', 'table_name', 'column_name', 'constraint_name'].map((k) => e[k] ?? null));
const connect = (options) => postgres(url, { max: 1, onnotice: (n) => say('notice', n.severity, n.message, n.hint ?? null), ...options });

async function attempt(promise) {
  try {
    const r = await promise;
    say(r.command, r.count, (r.columns ?? []).map((c) => [c.name, c.type, c.number]), [...r]);
  } catch (e) {
    failed(e);
  }
}

// blocked sends a statement over the threshold each way.
async function blocked() {
  const sql = connect();
  const ways = [(q) => q`DELETE FROM parent WHERE id <= 600`, (q) => q`DELETE FROM parent WHERE id <= ${600} RETURNING id`, (q) => q`DELETE FROM parent WHERE id <= 600`.simple(),
    (q) => q.unsafe('DELETE FROM parent WHERE id <= $1', [600])];
  for (const way of ways) {
    await way(sql).catch((e) => say(e.name, e.code, e.severity));
    await sql.begin(async (q) => { await q`DELETE FROM child WHERE id = 1`; await way(q); }).catch((e) => say('in a transaction', e.code));
  }
  // In a pipeline what is around it goes through.
  for (const r of await Promise.allSettled([sql`SELECT 1 AS before`, ways[1](sql), sql`SELECT 2 AS after`])) say(r.value ?? r.reason.code);
  await attempt(sql`SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child) AS children`);
  await sql.end();
}

async function queries(sql) {
  section('types');
  await attempt(sql`SELECT * FROM parent WHERE id = ${7}`);
  await attempt(sql`SELECT ${1}::int AS i, ${"a'ä"}::text AS t, ${sql.json({ a: [1] })} AS j, ${[1, null]}::int[] AS a, ${Buffer.from([0, 255])}::bytea AS b, ${new Date(0)} AS at`);
  await attempt(sql`SELECT id, v FROM parent WHERE id IN ${sql([8, 9])} ORDER BY id`.values());
  await attempt(sql`SELECT id, v FROM parent WHERE id = ${8}`.raw());
  for (const r of await sql`SELECT 1 AS one; SELECT 2 AS two; VALUES (3), (4)`.simple()) say(r.command, r.count, [...r]);
  const d = await sql`DELETE FROM parent WHERE id = ${1} AND n > ${2} RETURNING id AS gone, n * 2 AS twice`.describe();
  say(d.types, d.columns.map((c) => [c.name, c.type, c.number]));
  section('errors');
  await attempt(sql`SELECT nothing FROM parent`);
  await attempt(sql`SELECT ${1}::int FROM nowhere`);
  await attempt(sql`SELEC 1`);
  await attempt(sql`SELECT 1 / ${0}::int`);
  await attempt(sql`INSERT INTO parent ${sql({ id: 1, v: 'again' })}`);
  await attempt(sql`INSERT INTO parent ${sql({ id: -1, v: 'below' })}`);
  await attempt(sql`INSERT INTO parent (id) VALUES (2000)`);
  await attempt(sql`SELECT 1; SELECT 1/0`.simple());
}

async function deletes(sql) {
  section('deletes');
  for (let i = 1; i <= 5; i++) {
    await attempt(sql`DELETE FROM parent WHERE id = ${i}`);
    await attempt(sql`DELETE FROM parent WHERE id = ${i + 10} RETURNING *`);
    await attempt(sql.unsafe('DELETE FROM parent WHERE id = $1 RETURNING id, n', [i + 20], { prepare: i % 2 === 0 }));
    await attempt(sql`DELETE FROM parent WHERE id = ${sql.unsafe(i + 30)}`.simple());
  }
  for (const r of await sql`DELETE FROM parent WHERE id = 41; DELETE FROM parent WHERE id = 42 RETURNING id; SELECT 3 AS last`.simple()) say(r.command, r.count, [...r]);
  await attempt(sql`DELETE FROM parent WHERE id = 43; SELECT 1/0; DELETE FROM parent WHERE id = 44`.simple());
  for (const id of [1400, 1401]) await attempt(sql`DELETE FROM parent WHERE id = ${id}`);
  await attempt(sql`DELETE FROM parent WHERE nothing = ${1}`);
  await attempt(sql`DELETE FROM parent WHERE id = ${'seven'}`);
  await attempt(sql`DELETE FROM parent WHERE id BETWEEN ${100} AND ${199}`);
  section('pipelined');
  const all = (await Promise.all(Array.from({ length: 40 }, (_, i) => sql`DELETE FROM parent WHERE id = ${200 + i} RETURNING id`))).flat();
  say(all.map((r) => r.id));
  for (const r of await Promise.allSettled([
    sql`SELECT count(*) FROM parent`, sql`DELETE FROM parent WHERE id = ${240}`, sql`DELETE FROM parent WHERE id = ${1400}`, sql`SELECT nothing`,
    sql`DELETE FROM parent WHERE id = 241 RETURNING id`, sql`SELECT count(*) FROM parent`, sql`DELETE FROM parent WHERE id = 242`.simple(), sql`UPDATE parent SET ok = ${true} WHERE id = ${300}`,
  ])) say(r.status, r.value?.count ?? r.reason.code, r.value ?? null);
}

async function transactions(sql) {
  section('transactions and savepoints');
  await sql.begin(async (q) => {
    await attempt(q`DELETE FROM parent WHERE id = ${250}`);
    await q.savepoint(async (s) => { await s`DELETE FROM parent WHERE id = ${251}`; await s`DELETE FROM parent WHERE id = ${1400}`; }).catch(failed);
    await q.savepoint((s) => s`DELETE FROM parent WHERE id = ${252}`);
  });
  say(await sql.begin((q) => [q`DELETE FROM parent WHERE id = ${253} RETURNING id`, q`SELECT count(*) FROM parent`, q`DELETE FROM parent WHERE id = ${254}`])); // in one pipeline
  await sql.begin((q) => [q`DELETE FROM parent WHERE id = ${255}`, q`DELETE FROM parent WHERE id = ${1400}`, q`DELETE FROM parent WHERE id = ${256}`]).catch(failed);
  await sql.begin((q) => q`DELETE FROM parent WHERE id = ${1401}`).catch(failed);
  await sql.begin('read only', (q) => q`DELETE FROM parent WHERE id = ${257}`).catch(failed);
  await sql.begin('isolation level serializable', (q) => q`DELETE FROM parent WHERE id = ${258}`);
  await sql.begin(async (q) => { await q`DELETE FROM parent WHERE id = ${259}`; throw new Error('the client gives up'); }).catch((e) => say(e.message));
  await attempt(sql`SELECT id FROM parent WHERE id BETWEEN 249 AND 260 ORDER BY id`);
  const own = await sql.reserve();
  await own`BEGIN`; await own`DELETE FROM parent WHERE id = 260`; await own`COMMIT`;
  own.release();
}

async function cursors(sql) {
  section('cursors');
  for await (const rows of sql`SELECT id FROM parent WHERE id > 1480 ORDER BY id`.cursor(7)) say(rows.map((r) => r.id));
  for await (const rows of sql`DELETE FROM parent WHERE id BETWEEN ${261} AND ${269} RETURNING id`.cursor(4)) say(rows.map((r) => r.id));
  await sql`SELECT id FROM parent ORDER BY id`.cursor(3, (rows) => { say(rows.map((r) => r.id)); return sql.CLOSE; });
  await sql`SELECT id FROM parent WHERE id > ${1497} ORDER BY id`.forEach((r) => say(r.id));
}

async function copies(sql) {
  section('copy');
  const write = async (query, text) => {
    const stream = await query.writable();
    return new Promise((done) => stream.on('error', (e) => { failed(e); done(); }).on('finish', () => { say('finished'); done(); }).end(text));
  };
  await write(sql`COPY parent (id, v) FROM STDIN`, Array.from({ length: 5000 }, (_, i) => `${10000 + i}\tcopied ${i}\n`).join(''));
  await write(sql`COPY parent (id, v) FROM STDIN`, '10000\tagain\n');
  let text = '';
  for await (const chunk of await sql`COPY (SELECT id, v, n FROM parent WHERE id BETWEEN 500 AND 503 ORDER BY id) TO STDOUT (FORMAT csv)`.readable()) text += chunk;
  say(text);
  await attempt(sql`SELECT count(*), max(id) FROM parent`);
}

async function rest(sql) {
  section('prepared statements');
  for (const change of ['ALTER TABLE loose ADD COLUMN more int', 'ALTER TABLE loose DROP COLUMN more']) {
    await attempt(sql`DELETE FROM loose WHERE id = ${1} RETURNING *`);
    await attempt(sql.unsafe(change));
  }
  await attempt(sql`DELETE FROM loose WHERE id = ${2} RETURNING *`);
  section('notices and notifications');
  await attempt(sql`DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING HINT = 'three'; END $$`);
  let told;
  const twice = new Promise((done) => { told = done; });
  const heard = [];
  await sql.listen('ch', (payload) => { heard.push(payload); if (heard.length === 2) told(); });
  await sql.notify('ch', 'load');
  await sql.begin((q) => [q`DELETE FROM parent WHERE id = ${270}`, q`SELECT pg_notify('ch', 'with a delete')`]);
  await twice;
  say(heard);
  section('cancel and timeouts');
  const watch = connect();
  for (const text of ['SELECT pg_sleep(600)', 'DELETE FROM parent WHERE id = 271 AND pg_sleep(600) IS NOT NULL']) {
    const own = connect(); // the server signals twice, and postgres.js does not say when it has
    const query = own.unsafe(text);
    const running = attempt(query.execute());
    while (!(await watch`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`).count);
    query.cancel();
    await running;
    await own.end();
  }
  await watch.end();
  await attempt(sql`SET statement_timeout = 50`);
  await attempt(sql`DELETE FROM parent WHERE id = 271 AND pg_sleep(600) IS NOT NULL`);
  await attempt(sql`RESET statement_timeout`);
  await attempt(sql`DELETE FROM parent WHERE id = 271`);
  section('a pool, without prepared statements');
  const pool = connect({ max: 4, prepare: false, fetch_types: false });
  say((await Promise.all(Array.from({ length: 30 }, (_, i) => pool`DELETE FROM parent WHERE id = ${280 + i} RETURNING id`))).flat().map((r) => r.id));
  await pool.end();
  section('state of the session');
  await attempt(sql`SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent`);
  await attempt(sql`SELECT count(*), sum(parent_id) FROM child`);
  await attempt(sql`SELECT count(*), count(parent_id) FROM loose`);
  await attempt(sql`SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'DELETE%' ORDER BY 1`);
  await attempt(sql`SELECT name FROM pg_cursors WHERE name <> ''`);
}

if (process.argv[3]) {
  await blocked();
} else {
  const sql = connect();
  for (const part of [queries, deletes, transactions, cursors, copies, rest]) await part(sql);
  await sql.end();
}
