# Prints what ruby-pg sees of a server, line by line.
require 'pg'

URL = ARGV[0]
$stdout.sync = true

def failed(e)
  r = e.result
  f = %i[PG_DIAG_SQLSTATE PG_DIAG_SEVERITY PG_DIAG_MESSAGE_PRIMARY PG_DIAG_MESSAGE_DETAIL PG_DIAG_STATEMENT_POSITION PG_DIAG_CONSTRAINT_NAME]
  p e.class, (r && f.map { |k| r.error_field(PG.const_get(k)) })
end

def shown(r)
  p r.cmd_status, r.cmd_tuples, r.fields.each_index.map { |i| [r.fname(i), r.ftype(i), r.fmod(i), r.ftablecol(i), r.fformat(i)] }, r.values
end

def attempt(conn)
  shown(yield)
rescue PG::Error => e
  failed(e)
ensure
  p conn.transaction_status
end

def blocked
  c = PG.connect(URL)
  c.prepare('named', 'DELETE FROM parent WHERE id <= $1')
  [-> { c.exec('DELETE FROM parent WHERE id <= 600') }, -> { c.exec_params('DELETE FROM parent WHERE id <= $1 RETURNING id', [600]) }, -> { c.exec_prepared('named', [600]) }].each do |way|
    begin
      way.call
    rescue PG::Error => e
      puts "#{e.class} #{e.result.error_field(PG::PG_DIAG_SQLSTATE)} #{c.transaction_status}"
    end
    begin
      c.transaction { c.exec('DELETE FROM child WHERE id = 1'); way.call }
    rescue PG::Error => e
      puts "in a transaction #{e.result.error_field(PG::PG_DIAG_SQLSTATE)} #{c.transaction_status}"
    end
  end
  p c.exec('SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)').values
end

if ARGV[1]
  blocked
  exit
end

c = PG.connect(URL)
c.set_notice_receiver { |r| p :notice, r.error_field(PG::PG_DIAG_SEVERITY), r.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) }
puts '-- types and errors'
attempt(c) { c.exec_params('SELECT * FROM parent WHERE id = $1', [7]) }
attempt(c) { c.exec_params('SELECT id, n, b FROM parent WHERE id = $1::int', [8], 1) }
attempt(c) { c.exec('SELECT 1; SELECT 2, 3') }
attempt(c) { c.exec('') }
['SELECT nothing', 'SELEC 1', 'SELECT 1/0', "INSERT INTO parent (id, v) VALUES (1, 'again')", 'SELECT 1; SELECT 1/0'].each { |sql| attempt(c) { c.exec(sql) } }
puts '-- deletes'
c.prepare('by id', 'DELETE FROM parent WHERE id = $1 RETURNING id, v, n, j, at, b')
(1..6).each do |i|
  attempt(c) { c.exec("DELETE FROM parent WHERE id = #{i}") }
  attempt(c) { c.exec_params('DELETE FROM parent WHERE id = $1 RETURNING *', [i + 10], i % 2) }
  attempt(c) { c.exec_prepared('by id', [i + 20]) }
end
d = c.describe_prepared('by id')
p d.nparams, d.paramtype(0), d.fields
attempt(c) { c.exec_prepared('by id', ['seven']) }
attempt(c) { c.exec('DELETE FROM parent WHERE id = 31; DELETE FROM parent WHERE id = 32 RETURNING id') }
attempt(c) { c.exec('DELETE FROM parent WHERE id = 33; SELECT 1/0; DELETE FROM parent WHERE id = 34') }
[1400, 1401].each { |i| attempt(c) { c.exec_params('DELETE FROM parent WHERE id = $1', [i]) } }
attempt(c) { c.exec('DELETE FROM parent WHERE nothing = 1') }
attempt(c) { c.exec('DELETE FROM parent WHERE id BETWEEN 100 AND 199') }
puts '-- row by row'
['SELECT id FROM parent WHERE id > 1495 ORDER BY id', 'DELETE FROM parent WHERE id BETWEEN 200 AND 204 RETURNING id'].each do |sql|
  c.send_query(sql)
  c.set_single_row_mode
  c.get_result.stream_each_row { |row| p row }
  p c.get_result
end
puts '-- a pipeline'
c.enter_pipeline_mode
(210..229).each { |i| c.send_query_params(i == 225 ? 'DELETE FROM parent WHERE id = 1400 OR id = $1' : 'DELETE FROM parent WHERE id = $1', [i]); c.pipeline_sync if i % 10 == 9 }
2.times do
  loop do
    r = c.get_result or next
    break if r.result_status == PG::PGRES_PIPELINE_SYNC
    p r.result_status, r.cmd_status
  end
end
c.exit_pipeline_mode
attempt(c) { c.exec('SELECT id FROM parent WHERE id BETWEEN 210 AND 230 ORDER BY id') }
puts '-- transactions'
['BEGIN', 'DELETE FROM parent WHERE id = 240', 'SAVEPOINT s', 'DELETE FROM parent WHERE id = 241', 'DELETE FROM parent WHERE id = 1400', 'ROLLBACK TO s', 'DELETE FROM parent WHERE id = 242', 'COMMIT',
 'BEGIN', 'DELETE FROM parent WHERE id = 1401', 'COMMIT', 'BEGIN READ ONLY', 'DELETE FROM parent WHERE id = 243', 'ROLLBACK',
 'BEGIN', 'DECLARE c CURSOR FOR SELECT id FROM parent ORDER BY id', 'FETCH 3 FROM c', 'DELETE FROM parent WHERE CURRENT OF c', 'COMMIT',
 'SELECT id FROM parent WHERE id BETWEEN 239 AND 244 ORDER BY id'].each { |sql| attempt(c) { c.exec(sql) } }
puts '-- copy'
p c.copy_data('COPY parent (id, v) FROM STDIN') { (10_000..13_000).each { |i| c.put_copy_data("#{i}\tcopied #{i}\n") } }.cmd_status
begin
  c.copy_data('COPY parent (id, v) FROM STDIN') { c.put_copy_data("10000\tagain\n") }
rescue PG::Error => e
  failed(e)
end
c.copy_data('COPY (SELECT id, v FROM parent WHERE id BETWEEN 500 AND 502 ORDER BY id) TO STDOUT') { while (row = c.get_copy_data) do p row end }
puts '-- notices, notifications, cancel'
attempt(c) { c.exec("DO $$ BEGIN RAISE WARNING 'two'; END $$") }
c.exec('LISTEN ch')
c.transaction { c.exec('DELETE FROM parent WHERE id = 250'); c.exec("NOTIFY ch, 'load'") }
c.wait_for_notify { |channel, pid, payload| p channel, payload, pid == c.backend_pid }
watch = PG.connect(URL)
['SELECT pg_sleep(600)', 'DELETE FROM parent WHERE id = 251 AND pg_sleep(600) IS NOT NULL'].each do |sql|
  c.send_query(sql)
  nil while watch.exec("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").ntuples.zero?
  c.cancel
  attempt(c) { c.get_last_result }
end
attempt(c) { c.exec('DELETE FROM parent WHERE id = 251') }
puts '-- what is left'
attempt(c) { c.exec("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent") }
attempt(c) { c.exec('SELECT count(*), sum(parent_id) FROM child') }
attempt(c) { c.exec('SELECT name, statement FROM pg_prepared_statements') }
