<?php // Prints what PHP's pgsql functions and PDO see of a server, line by line.
[, $url] = $argv;
preg_match('{@([^:]+):(\d+)/([^?]+)}', $url, $m);
$place = "host=$m[1] port=$m[2] dbname=$m[3] user=postgres sslmode=disable";
$c = pg_connect($place);
function say(...$what) { echo implode(' ', array_map(fn ($w) => is_string($w) ? $w : json_encode($w), $what)), "\n"; }
// shown prints every result of what was sent.
function shown($sent) {
    global $c;
    if (!$sent) { say('not sent'); return; }
    while ($r = pg_get_result($c)) {
        $e = fn ($f) => pg_result_error_field($r, $f);
        if ($e(PGSQL_DIAG_SQLSTATE)) say('error', $e(PGSQL_DIAG_SQLSTATE), $e(PGSQL_DIAG_MESSAGE_PRIMARY), $e(PGSQL_DIAG_MESSAGE_DETAIL), $e(PGSQL_DIAG_STATEMENT_POSITION));
        else say(pg_result_status($r, PGSQL_STATUS_STRING), pg_affected_rows($r), pg_num_fields($r) ? array_map(fn ($i) => [pg_field_name($r, $i), pg_field_type($r, $i), pg_field_table($r, $i)], range(0, pg_num_fields($r) - 1)) : [], pg_fetch_all($r, PGSQL_NUM));
    }
    say(pg_transaction_status($c));
}
function query($sql, ...$args) { global $c; shown($args ? pg_send_query_params($c, $sql, $args) : pg_send_query($c, $sql)); }
$pdo = new PDO('pgsql:' . strtr($place, ' ', ';'));
$pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
// by runs a prepared statement of PDO: on the server, or put together by PDO.
function by($emulated, $sql, ...$args) {
    global $pdo;
    try {
        $s = $pdo->prepare($sql, [PDO::ATTR_EMULATE_PREPARES => $emulated]);
        $s->execute($args);
        say($s->rowCount(), $s->columnCount(), $s->columnCount() ? $s->fetchAll(PDO::FETCH_ASSOC) : null);
    } catch (PDOException $e) { say(get_class($e), $e->errorInfo); }
}
if (isset($argv[2])) {
    foreach ([true, false] as $emulated) by2($emulated);
    foreach (['DELETE FROM parent WHERE id <= 600', 'DELETE FROM parent WHERE id <= 600 RETURNING id'] as $sql) {
        pg_send_query($c, $sql);
        say(pg_result_error_field(pg_get_result($c), PGSQL_DIAG_SQLSTATE));
        pg_get_result($c);
    }
    say(pg_fetch_row(pg_query($c, 'SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)')));
    exit;
}
function by2($emulated) {
    global $pdo;
    foreach ([false, true] as $inside) {
        if ($inside) $pdo->beginTransaction();
        try { $pdo->prepare('DELETE FROM parent WHERE id <= ?', [PDO::ATTR_EMULATE_PREPARES => $emulated])->execute([600]); } catch (PDOException $e) { say(get_class($e), $e->errorInfo[0]); }
        if ($inside) $pdo->rollBack();
    }
}
say('-- types and errors');
query('SELECT * FROM parent WHERE id = $1', 7);
query('SELECT 1; SELECT 2, 3');
query('');
foreach (['SELECT nothing', 'SELEC 1', 'SELECT 1/0', "INSERT INTO parent (id, v) VALUES (1, 'again')", 'SELECT 1; SELECT 1/0'] as $sql) query($sql);
say('-- deletes');
for ($i = 1; $i <= 5; $i++) {
    query("DELETE FROM parent WHERE id = $i");
    query('DELETE FROM parent WHERE id = $1 RETURNING id, v, n, j, at, b', $i + 10);
    by(true, 'DELETE FROM parent WHERE id = ?', $i + 20);
    by(false, 'DELETE FROM parent WHERE id = ? RETURNING *', $i + 30);
}
query('DELETE FROM parent WHERE id = 41; DELETE FROM parent WHERE id = 42 RETURNING id');
query('DELETE FROM parent WHERE id = 43; SELECT 1/0; DELETE FROM parent WHERE id = 44');
foreach ([1400, 1401] as $i) { query('DELETE FROM parent WHERE id = $1', $i); by(false, 'DELETE FROM parent WHERE id = ?', $i); }
query('DELETE FROM parent WHERE nothing = 1');
by(false, 'DELETE FROM parent WHERE nothing = ?', 1);
query('DELETE FROM parent WHERE id BETWEEN 100 AND 199');
pg_prepare($c, 'named', 'DELETE FROM parent WHERE id = $1 RETURNING id, n');
for ($i = 50; $i < 56; $i++) shown(pg_send_execute($c, 'named', [$i]));
say(pg_delete($c, 'parent', ['id' => 60]), pg_select($c, 'parent', ['id' => 61]) !== false);
say('-- transactions');
foreach (['BEGIN', 'DELETE FROM parent WHERE id = 200', 'SAVEPOINT s', 'DELETE FROM parent WHERE id = 201', 'DELETE FROM parent WHERE id = 1400', 'ROLLBACK TO s', 'DELETE FROM parent WHERE id = 202', 'COMMIT',
    'BEGIN', 'DELETE FROM parent WHERE id = 1401', 'COMMIT', 'BEGIN READ ONLY', 'DELETE FROM parent WHERE id = 203', 'ROLLBACK',
    'BEGIN', 'DECLARE c CURSOR FOR SELECT id FROM parent ORDER BY id', 'FETCH 3 FROM c', 'DELETE FROM parent WHERE CURRENT OF c', 'COMMIT'] as $sql) query($sql);
$pdo->beginTransaction(); by(false, 'DELETE FROM parent WHERE id = ?', 204); $pdo->rollBack();
$pdo->beginTransaction(); by(false, 'DELETE FROM parent WHERE id = ?', 205); $pdo->commit();
$cursor = $pdo->prepare('SELECT id FROM parent WHERE id > 1495 ORDER BY id', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
$pdo->beginTransaction(); $cursor->execute(); say($cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST), $cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR)); $cursor->closeCursor(); $pdo->commit();
query('SELECT id FROM parent WHERE id BETWEEN 199 AND 206 ORDER BY id');
say('-- copy');
say(pg_copy_from($c, 'parent (id, v)', array_map(fn ($i) => "$i\tcopied $i\n", range(10000, 12000))), @pg_copy_from($c, 'parent (id, v)', ["10000\tagain\n"]));
say(pg_copy_to($c, '(SELECT id, v FROM parent WHERE id BETWEEN 500 AND 502 ORDER BY id)'), $pdo->pgsqlCopyFromArray('parent', ["13000\tpdo"], "\t", '\\\\N', 'id, v'));
say('-- notices, notifications, cancel');
query("DO $$ BEGIN RAISE WARNING 'two'; END $$");
say(pg_last_notice($c));
query('LISTEN ch'); query('BEGIN'); query('DELETE FROM parent WHERE id = 210'); query("NOTIFY ch, 'load'"); query('COMMIT');
$n = pg_get_notify($c); say($n['message'], $n['payload'], $n['pid'] === pg_get_pid($c));
foreach (['SELECT pg_sleep(600)', 'DELETE FROM parent WHERE id = 211 AND pg_sleep(600) IS NOT NULL'] as $sql) {
    pg_send_query($c, $sql);
    while (!$pdo->query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")->fetch());
    say(pg_cancel_query($c)); // it takes the answers, too
}
query('DELETE FROM parent WHERE id = 211');
say('-- what is left');
query("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent");
query('SELECT count(*), sum(parent_id) FROM child');
query('SELECT name FROM pg_prepared_statements');
