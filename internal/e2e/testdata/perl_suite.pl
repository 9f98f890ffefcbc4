# Prints what DBD::Pg sees of a server, line by line.
use strict; use warnings;
use DBI; use DBD::Pg qw(:pg_types :async);

my ($host, $port, $db) = $ARGV[0] =~ m{@([^:]+):(\d+)/([^?]+)};
my @how = ("dbi:Pg:host=$host;port=$port;dbname=$db;sslmode=disable", 'postgres', '', { AutoCommit => 1, RaiseError => 0, PrintError => 0, PrintWarn => 0 });
my $c = DBI->connect(@how) or die DBI->errstr;
$c->{pg_enable_utf8} = 0;
$| = 1;

sub say_ { print join(' ', map { defined $_ ? $_ : 'undef' } @_), "\n" }
sub failed { my $h = shift; my $e = $h->errstr; $e =~ s/\n/ | /g; say_('error', $h->state, $e, $c->ping) }

sub run {
    my ($sql, @args) = @_;
    my $s = $c->prepare($sql) or return failed($c);
    defined(my $n = $s->execute(@args)) or return failed($s);
    say_($n, $s->rows, $s->{NUM_OF_FIELDS} ? ("@{$s->{NAME}}", map { join ',', map { defined $_ ? $_ : 'undef' } map { ref $_ ? "[@{[map { defined $_ ? $_ : 'undef' } @$_]}]" : $_ } @$_ } @{$s->fetchall_arrayref}) : ());
}
sub simple { defined(my $n = $c->do($_[0])) or return failed($c); say_($n) }

if ($ARGV[1]) {
    for my $way (sub { $c->do('DELETE FROM parent WHERE id <= 600') }, sub { $c->do('DELETE FROM parent WHERE id <= ?', undef, 600) },
        sub { my $s = $c->prepare('DELETE FROM parent WHERE id <= ? RETURNING id'); $s->execute(600) }) {
        $way->(); say_($c->state, $c->ping);
        $c->begin_work; $c->do('DELETE FROM child WHERE id = 1'); $way->(); say_('in a transaction', $c->state, $c->ping); $c->rollback;
    }
    run('SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)');
    exit;
}
print "-- types and errors\n";
run('SELECT * FROM parent WHERE id = ?', 7);
run('SELECT ?::int, ?::text, ?::int[]', 1, "a'ä", [1, 2]);
run($_) for 'SELECT nothing', 'SELEC 1', 'SELECT 1/0', "INSERT INTO parent (id, v) VALUES (1, 'again')";
simple('SELECT 1; SELECT 1/0');
print "-- deletes\n";
for my $i (1 .. 6) {
    simple("DELETE FROM parent WHERE id = $i");
    run('DELETE FROM parent WHERE id = ?', $i + 10);
    run('DELETE FROM parent WHERE id = ? RETURNING id, v, n, j, at, b, a', $i + 20);
}
my $s = $c->prepare('DELETE FROM parent WHERE id = ? RETURNING id');
for my $i (31 .. 36, 1400, 'seven', 37) { if (defined $s->execute($i)) { say_($s->rows, map { @$_ } @{$s->fetchall_arrayref}) } else { failed($s) } }
for my $prepare (0, 1) {
    local $c->{pg_server_prepare} = $prepare;
    run('DELETE FROM parent WHERE id = ? RETURNING id', 40 + $prepare);
}
my @status; my $many = $c->prepare('DELETE FROM parent WHERE id = ?');
say_($many->execute_array({ ArrayTupleStatus => \@status }, [50 .. 69]), map { ref $_ ? $_->[2] : $_ } @status);
simple('DELETE FROM parent WHERE id = 70; DELETE FROM parent WHERE id = 71');
simple('DELETE FROM parent WHERE id = 72; SELECT 1/0; DELETE FROM parent WHERE id = 73');
run('DELETE FROM parent WHERE id = ?', $_) for 1400, 1401;
run('DELETE FROM parent WHERE nothing = ?', 1);
run('DELETE FROM parent WHERE id BETWEEN ? AND ?', 100, 199);
print "-- transactions\n";
$c->begin_work;
run('DELETE FROM parent WHERE id = ?', 200);
$c->pg_savepoint('s');
run('DELETE FROM parent WHERE id = ?', 201);
run('DELETE FROM parent WHERE id = ?', 1400);
$c->pg_rollback_to('s');
run('DELETE FROM parent WHERE id = ?', 202);
$c->pg_release('s');
say_($c->commit);
$c->begin_work; run('DELETE FROM parent WHERE id = ?', 1401); $c->commit or failed($c);
$c->begin_work; run('DELETE FROM parent WHERE id = ?', 203); $c->rollback;
$c->begin_work; simple('DECLARE c CURSOR FOR SELECT id FROM parent ORDER BY id'); run('FETCH 3 FROM c'); simple('DELETE FROM parent WHERE CURRENT OF c'); $c->commit;
run('SELECT id FROM parent WHERE id BETWEEN 199 AND 204 ORDER BY id');
print "-- copy\n";
$c->do('COPY parent (id, v) FROM STDIN');
$c->pg_putcopydata("$_\tcopied $_\n") for 10000 .. 12000;
say_($c->pg_putcopyend);
$c->do('COPY parent (id, v) FROM STDIN'); $c->pg_putcopydata("10000\tagain\n"); $c->pg_putcopyend or failed($c);
$c->do('COPY (SELECT id, v FROM parent WHERE id BETWEEN 500 AND 502 ORDER BY id) TO STDOUT');
my $row; print $row while $c->pg_getcopydata($row) >= 0;
print "-- notifications, asynchronous, cancel\n";
simple('LISTEN ch'); $c->begin_work; run('DELETE FROM parent WHERE id = 210'); simple("NOTIFY ch, 'load'"); $c->commit;
my $n = $c->pg_notifies; say_($n->[0], $n->[2], $n->[1] == $c->{pg_pid} ? 'own' : 'other');
$c->do('DELETE FROM parent WHERE id = 211', { pg_async => PG_ASYNC }); say_($c->pg_result);
my $watch = DBI->connect(@how);
for my $sql ('SELECT pg_sleep(600)', 'DELETE FROM parent WHERE id = 212 AND pg_sleep(600) IS NOT NULL') {
    $c->do($sql, { pg_async => PG_ASYNC });
    1 while !$watch->selectrow_array("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    say_($c->pg_cancel, $c->state);
}
run('DELETE FROM parent WHERE id = 212');
print "-- what is left\n";
run("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent");
run('SELECT count(*), sum(parent_id) FROM child');
run("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'DELETE%'");
