// Prints what node-postgres sees of a server, line by line.
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');

const url = process.argv[2];
const say = (...what) => console.log(...what.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))));
const section = (name) => say('-- ' + name);
const failed = (e) => say('error', e.constructor.name, e.code ?? e.message, ...['severity', 'message', 'detail', 'hint', 'position', 'table', 'column', 'constraint'].map((k) => e[k] ?? null));

// query prints one result, or each of several.
async function query(client, ...args) {
  try {
    for (const r of [await client.query(...args)].flat()) say(r.command, r.rowCount, r.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeModifier, f.columnID, f.format]), r.rows);
  } catch (e) {
    failed(e);
  }
}

async function connect() {
  const client = new Client(url);
  client.on('notice', (n) => say('notice', n.severity, n.message, n.hint ?? null));
  client.on('notification', (n) => say('notification', n.channel, n.payload, n.processId === client.processID));
  await client.connect();
  return client;
}

// blocked sends a statement over the threshold each way.
async function blocked() {
  const client = await connect();
  for (const args of [['DELETE FROM parent WHERE id <= 600'], ['DELETE FROM parent WHERE id <= $1', [600]],
    [{ name: 'named', text: 'DELETE FROM parent WHERE id <= $1 RETURNING id', values: [600] }], ['DELETE FROM child WHERE id = 1; DELETE FROM parent WHERE id <= 600']]) {
    await client.query(...args).catch((e) => say(e.constructor.name, e.code, e.severity));
    await client.query('BEGIN');
    await client.query(...args).catch((e) => say('in a transaction', e.code));
    await client.query('SELECT 1').catch((e) => say(e.code));
    await client.query('ROLLBACK');
  }
  say((await client.query('SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child) AS children')).rows[0]);
  await client.end();
}

async function queries(c) {
  section('types');
  await query(c, 'SELECT * FROM parent WHERE id = $1', [7]);
  await query(c, { text: 'SELECT id, v, n, f, big FROM parent WHERE id = 8', rowMode: 'array' });
  await query(c, { text: 'SELECT id, v, n, b FROM parent WHERE id = $1', values: [9], binary: true });
  await query(c, 'SELECT $1::int, $2::text, $3::jsonb, $4::int[], $5::bytea, $6::timestamptz', [1, "a'ä", { a: [1] }, [1, null], Buffer.from([0, 255]), new Date(0)]);
  await query(c, "SELECT 1 AS one; SELECT 2 AS two, 'zwei' AS zwei; VALUES (3), (4)");
  await query(c, '');
  section('errors');
  for (const args of [['SELECT nothing FROM parent'], ['SELECT $1::int FROM nowhere', [1]], ['SELEC 1'], ['SELECT 1 / $1::int', [0]],
    ["INSERT INTO parent (id, v) VALUES ($1, 'again')", [1]], ["INSERT INTO parent (id, v) VALUES (-1, 'below')"], ['INSERT INTO parent (id) VALUES (2000)'],
    ['SELECT 1; SELECT 1/0; SELECT 2'], ['DELETE FROM parent; DELETE FROM child WHERE id = $1', [1]]]) await query(c, ...args);
}

async function deletes(c) {
  section('deletes');
  for (let i = 1; i <= 5; i++) {
    await query(c, 'DELETE FROM parent WHERE id = $1', [i]);
    await query(c, 'DELETE FROM parent WHERE id = $1 RETURNING id, v, n, j, at, day, b, a, u, ok, f, big', [i + 10]);
    await query(c, { name: 'by id', text: 'DELETE FROM parent WHERE id = $1 RETURNING id, n', values: [i + 20] });
    await query(c, { text: 'DELETE FROM parent WHERE id = $1 RETURNING id, b', values: [i + 30], binary: true });
  }
  await query(c, { name: 'by id', text: 'DELETE FROM parent WHERE id = $1 RETURNING id, n', values: ['seven'] });
  await query(c, { name: 'by id', text: 'DELETE FROM parent WHERE id = $1 RETURNING id, n', values: [40] });
  await query(c, 'DELETE FROM parent WHERE id = 41; DELETE FROM parent WHERE id = 42 RETURNING id; SELECT 3 AS last');
  await query(c, 'DELETE FROM parent WHERE id = 43; SELECT 1/0; DELETE FROM parent WHERE id = 44');
  await query(c, 'DELETE FROM parent WHERE id = ANY($1) RETURNING v', [[45, 46]]);
  for (const id of [1400, 1401]) await query(c, 'DELETE FROM parent WHERE id = $1', [id]);
  await query(c, 'DELETE FROM parent WHERE nothing = $1', [1]);
  await query(c, 'DELETE FROM parent WHERE id BETWEEN 100 AND 199');
  section('one after the other, not waited for'); // node-postgres queues them itself
  await Promise.all(Array.from({ length: 20 }, (_, i) => query(c, 'DELETE FROM parent WHERE id = $1 RETURNING id', [200 + i])));
}

async function transactions(c) {
  section('transactions and savepoints');
  for (const sql of ['BEGIN', 'DELETE FROM parent WHERE id = 230', 'SAVEPOINT s', 'DELETE FROM parent WHERE id = 231', 'DELETE FROM parent WHERE id = 1400',
    'DELETE FROM parent WHERE id = 232', 'ROLLBACK TO s', 'DELETE FROM parent WHERE id = 233 RETURNING id', 'RELEASE s', 'COMMIT',
    'BEGIN', 'DELETE FROM parent WHERE id = 1401', 'COMMIT', 'BEGIN READ ONLY', 'DELETE FROM parent WHERE id = 234', 'ROLLBACK',
    'BEGIN ISOLATION LEVEL REPEATABLE READ', 'DELETE FROM parent WHERE id = 235', 'COMMIT',
    'SELECT id FROM parent WHERE id BETWEEN 229 AND 236 ORDER BY id']) await query(c, sql);
}

async function cursors(c) {
  section('cursors and streams'); // portals, fetched in pieces and closed
  const cursor = c.query(new Cursor('SELECT id FROM parent WHERE id >= $1 ORDER BY id', [300]));
  say(await cursor.read(3), (await cursor.read(500)).length);
  await cursor.close();
  for (const [from, size] of [[240, 3], [250, 50]]) {
    const deleting = c.query(new Cursor('DELETE FROM parent WHERE id BETWEEN $1 AND $1 + 5 RETURNING id', [from]));
    say(await deleting.read(size), await deleting.read(size));
    await deleting.close();
  }
  let sum = 0;
  for await (const row of c.query(new QueryStream('SELECT id FROM parent ORDER BY id', [], { batchSize: 17 }))) sum += row.id;
  say(sum);
  const broken = c.query(new Cursor('SELECT 1 / (3 - n) FROM generate_series(1, 5) n'));
  try { say(await broken.read(2)); say(await broken.read(2)); } catch (e) { failed(e); }
  await query(c, { text: 'SELECT id FROM parent WHERE id > 1495 ORDER BY id', rows: 2 });
  await query(c, { text: 'DELETE FROM parent WHERE id BETWEEN 260 AND 265 RETURNING id', rows: 2 });
}

async function rest(c) {
  section('notices and notifications');
  await query(c, "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING HINT = 'three'; END $$");
  for (const sql of ['LISTEN ch', "NOTIFY ch, 'load'", 'BEGIN', 'DELETE FROM parent WHERE id = 270', "SELECT pg_notify('ch', 'with a delete')", 'COMMIT']) await query(c, sql);
  section('cancel and timeouts');
  const watch = await connect();
  for (const sql of ['SELECT pg_sleep(600)', 'DELETE FROM parent WHERE id = 271 AND pg_sleep(600) IS NOT NULL']) {
    const running = query(c, sql);
    while (!(await watch.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")).rowCount);
    await running;
  }
  await watch.end();
  for (const sql of ['SET statement_timeout = 50', 'DELETE FROM parent WHERE id = 271 AND pg_sleep(600) IS NOT NULL', 'RESET statement_timeout', 'DELETE FROM parent WHERE id = 271']) await query(c, sql);
  section('a pool');
  const pool = new Pool({ connectionString: url, max: 4 });
  const gone = await Promise.all(Array.from({ length: 30 }, (_, i) => pool.query('DELETE FROM parent WHERE id = $1 RETURNING id', [280 + i])));
  say(gone.map((r) => r.rows[0].id));
  await pool.end();
  section('state of the session');
  for (const sql of ["SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent", 'SELECT count(*), sum(parent_id) FROM child', 'SELECT count(*), count(parent_id) FROM loose',
    'SELECT name, statement FROM pg_prepared_statements ORDER BY 1', "SELECT name FROM pg_cursors WHERE name <> ''"]) await query(c, sql);
}

(async () => {
  if (process.argv[3]) return blocked();
  const client = await connect();
  for (const part of [queries, deletes, transactions, cursors, rest]) await part(client);
  await client.end();
})();
