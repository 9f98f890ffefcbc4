import java.io.*;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.*;
import org.postgresql.largeobject.*;
import org.postgresql.util.*;

/** Prints what the JDBC driver sees of a server, line by line. */
public class JdbcSuite {
    static Connection conn;
    static String url;

    interface Step { void run() throws Exception; }

    static void part(String name, Step step) throws Exception {
        System.out.println("-- " + name);
        try {
            step.run();
        } catch (SQLException e) {
            error(e);
        }
        if (!conn.getAutoCommit()) conn.rollback();
        conn.setAutoCommit(true);
    }

    static void error(SQLException e) {
        System.out.println("error " + e.getSQLState() + " " + e.getMessage());
        if (e instanceof PSQLException && ((PSQLException) e).getServerErrorMessage() != null) {
            ServerErrorMessage m = ((PSQLException) e).getServerErrorMessage();
            System.out.println(m.getPosition() + " " + m.getDetail() + " " + m.getHint() + " " + m.getConstraint() + " " + m.getTable());
        }
        for (SQLException n = e.getNextException(); n != null; n = n.getNextException()) System.out.println("next " + n.getSQLState() + " " + n.getMessage());
    }

    static void attempt(Step step) throws Exception {
        try { step.run(); } catch (SQLException e) { error(e); }
    }

    static void rows(ResultSet r) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        StringBuilder head = new StringBuilder();
        for (int i = 1; i <= m.getColumnCount(); i++) head.append(m.getColumnLabel(i)).append(':').append(m.getColumnTypeName(i)).append(':').append(m.getTableName(i)).append(' ');
        System.out.println(head);
        while (r.next()) {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i <= m.getColumnCount(); i++) line.append(r.getString(i)).append(' ');
            System.out.println(line);
        }
        r.close();
    }

    static void query(String sql) throws Exception {
        try (Statement s = conn.createStatement()) { rows(s.executeQuery(sql)); }
    }

    static void everything(Statement s, String sql) throws SQLException {
        boolean result = s.execute(sql);
        while (true) {
            if (result) rows(s.getResultSet());
            else if (s.getUpdateCount() == -1) break;
            else System.out.println("count " + s.getUpdateCount());
            result = s.getMoreResults();
        }
        for (SQLWarning w = s.getWarnings(); w != null; w = w.getNextWarning()) System.out.println("warning " + w.getSQLState() + " " + w.getMessage());
    }

    static Connection open(String options) throws SQLException {
        return DriverManager.getConnection("jdbc:" + url + options);
    }

    public static void main(String[] args) throws Exception {
        url = args[0];
        boolean blocked = args.length > 1;
        for (String mode : new String[] {"", "&preferQueryMode=simple", "&prepareThreshold=1&binaryTransfer=true", "&prepareThreshold=-1", "&preferQueryMode=extendedCacheEverything&autosave=always"}) {
            System.out.println("== " + mode);
            conn = open(mode);
            if (blocked) blocked();
            else suite(mode);
            conn.close();
        }
    }

    /** Each way in which a statement over the threshold is sent; then ones within it. */
    static void blocked() throws Exception {
        long before = value("SELECT count(*) FROM parent");
        for (boolean autoCommit : new boolean[] {true, false}) {
            conn.setAutoCommit(autoCommit);
            refused("executeUpdate", () -> {
                try (Statement s = conn.createStatement()) { s.executeUpdate("DELETE FROM parent WHERE id <= 600"); }
            });
            refused("prepared", () -> {
                try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id <= ?")) { p.setInt(1, 600); p.executeUpdate(); }
            });
            refused("returning", () -> {
                try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id <= ? RETURNING id")) { p.setInt(1, 600); p.executeQuery(); }
            });
            refused("batch", () -> {
                try (Statement s = conn.createStatement()) {
                    for (String sql : new String[] {"DELETE FROM child WHERE parent_id = 600", "DELETE FROM parent WHERE id <= 600", "DELETE FROM child WHERE parent_id = 601"}) s.addBatch(sql);
                    s.executeBatch();
                }
            });
            refused("prepared batch", () -> {
                try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id BETWEEN ? AND ?")) {
                    for (int to : new int[] {700, 1300, 701}) { p.setInt(1, 700); p.setInt(2, to); p.addBatch(); }
                    p.executeBatch();
                }
            });
        }
        System.out.println("parents gone " + (before - value("SELECT count(*) FROM parent")));
        try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = (SELECT max(id) + ? FROM parent WHERE id < 600)")) {
            for (int i = -1; i <= 1; i++) { p.setInt(1, i); p.addBatch(); }
            System.out.println("within " + Arrays.toString(p.executeBatch()));
        }
        conn.commit();
    }

    static long value(String sql) throws SQLException {
        try (Statement s = conn.createStatement(); ResultSet r = s.executeQuery(sql)) { r.next(); return r.getLong(1); }
    }

    static void refused(String how, Step step) throws Exception {
        try {
            step.run();
            System.out.println(how + " was not refused");
        } catch (BatchUpdateException e) {
            System.out.println(how + " " + e.getSQLState() + " " + Arrays.toString(e.getUpdateCounts()));
        } catch (SQLException e) {
            System.out.println(how + " " + e.getSQLState());
        }
        if (conn.getAutoCommit()) return;
        try { System.out.println("in a transaction " + value("SELECT 1")); } catch (SQLException e) { System.out.println("in a transaction " + e.getSQLState()); }
        conn.rollback();
    }

    static void suite(String mode) throws Exception {
        Statement st = conn.createStatement();
        st.execute("DROP TABLE IF EXISTS strict, child, parent");
        st.clearWarnings();
        st.execute("CREATE TABLE parent (id int PRIMARY KEY, v text, n numeric(10,2), at timestamp, b bytea)");
        st.execute("CREATE TABLE child (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE)");
        st.execute("CREATE TABLE strict (parent_id int CONSTRAINT strictly REFERENCES parent)");
        st.execute("INSERT INTO parent SELECT n, 'v' || n, n / 3.0, '2024-01-01'::timestamp + n * interval '1 hour', int4send(n) FROM generate_series(1, 500) n");
        st.execute("INSERT INTO child (parent_id) SELECT n % 500 + 1 FROM generate_series(1, 700) n");
        st.execute("INSERT INTO strict VALUES (400)");

        part("prepared past the threshold", () -> {
            try (PreparedStatement p = conn.prepareStatement("SELECT id, v, n, at, b FROM parent WHERE id = ?")) {
                for (int i = 1; i <= 12; i++) { p.setInt(1, i); rows(p.executeQuery()); }
            }
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = ?")) {
                for (int i = 1; i <= 12; i++) { p.setInt(1, i); System.out.println(p.executeUpdate()); }
                p.setInt(1, 400);
                attempt(() -> System.out.println(p.executeUpdate()));
                p.setInt(1, 13);
                System.out.println(p.executeUpdate());
            }
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = ? RETURNING id, v, n, at, b")) {
                for (int i = 20; i <= 30; i++) { p.setInt(1, i); rows(p.executeQuery()); }
            }
        });
        part("generated keys", () -> {
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = ?", new String[] {"id", "v"})) {
                p.setInt(1, 31);
                System.out.println(p.executeUpdate());
                rows(p.getGeneratedKeys());
            }
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id BETWEEN ? AND ?", Statement.RETURN_GENERATED_KEYS)) {
                p.setInt(1, 32); p.setInt(2, 34);
                System.out.println(p.executeUpdate());
                rows(p.getGeneratedKeys());
            }
        });
        part("batches", () -> {
            conn.setAutoCommit(false);
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = ?")) {
                for (int i = 40; i < 90; i++) { p.setInt(1, i); p.addBatch(); }
                System.out.println(Arrays.toString(p.executeBatch()));
            }
            conn.commit();
            try (PreparedStatement p = conn.prepareStatement("INSERT INTO parent (id, v) VALUES (?, ?)")) {
                for (int i = 1000; i < 1500; i++) { p.setInt(1, i); p.setString(2, "w".repeat(i)); p.addBatch(); }
                System.out.println(Arrays.stream(p.executeBatch()).sum());
            }
            try (Statement s = conn.createStatement()) {
                s.addBatch("DELETE FROM parent WHERE id = 90");
                s.addBatch("UPDATE parent SET v = 'u' WHERE id > 490");
                s.addBatch("DELETE FROM parent WHERE id = 400");
                s.addBatch("DELETE FROM parent WHERE id = 91");
                try { s.executeBatch(); } catch (BatchUpdateException e) { error(e); System.out.println(Arrays.toString(e.getUpdateCounts())); }
            }
        });
        part("several statements", () -> {
            try (Statement s = conn.createStatement()) {
                everything(s, "SELECT 1 AS one; DELETE FROM parent WHERE id = 100; SELECT 2 AS two; DELETE FROM parent WHERE id IN (101, 102) RETURNING id; UPDATE parent SET v = v");
                attempt(() -> everything(s, "DELETE FROM parent WHERE id = 103; SELECT nothing; DELETE FROM parent WHERE id = 104"));
                everything(s, "DO $$ BEGIN RAISE NOTICE 'noticed'; END $$");
            }
            query("SELECT id FROM parent WHERE id BETWEEN 99 AND 105 ORDER BY 1");
        });
        part("maxRows and fetchSize", () -> {
            conn.setAutoCommit(false);
            try (Statement s = conn.createStatement()) {
                s.setMaxRows(2);
                rows(s.executeQuery("SELECT id FROM parent ORDER BY id"));
                System.out.println(s.executeUpdate("DELETE FROM parent WHERE id BETWEEN 110 AND 114"));
                rows(s.executeQuery("DELETE FROM parent WHERE id BETWEEN 115 AND 119 RETURNING id"));
            }
            query("SELECT count(*) FROM parent WHERE id BETWEEN 110 AND 119");
            try (Statement s = conn.createStatement()) {
                s.setFetchSize(7);
                ResultSet r = s.executeQuery("SELECT id FROM parent WHERE id < 200 ORDER BY id");
                int n = 0; long sum = 0;
                while (r.next()) { n++; sum += r.getInt(1); if (n == 20) System.out.println(conn.createStatement().executeUpdate("DELETE FROM parent WHERE id = 121")); }
                System.out.println(n + " " + sum);
                rows(s.executeQuery("DELETE FROM parent WHERE id BETWEEN 130 AND 150 RETURNING id"));
            }
            conn.commit();
        });
        part("adaptive fetch", () -> {
            try (Connection c = open("&adaptiveFetch=true&adaptiveFetchMinimum=2&defaultRowFetchSize=3&maxResultBuffer=2K"); Statement s = c.createStatement()) {
                c.setAutoCommit(false);
                ResultSet r = s.executeQuery("SELECT id, repeat('x', 100) FROM parent WHERE id < 200 ORDER BY id");
                int n = 0; long sum = 0;
                try (Statement other = c.createStatement()) {
                    while (r.next()) { n++; sum += r.getInt(1); if (n == 20) System.out.println(other.executeUpdate("DELETE FROM parent WHERE id = 151")); }
                }
                System.out.println(n + " " + sum + " " + r.getFetchSize());
                r = s.executeQuery("DELETE FROM parent WHERE id BETWEEN 152 AND 159 RETURNING id, repeat('y', 300)");
                for (n = 0; r.next(); n++) sum += r.getInt(1);
                System.out.println(n + " " + sum);
                c.commit();
                try (PreparedStatement p = c.prepareStatement("DELETE FROM parent WHERE id BETWEEN ? AND ? RETURNING id")) {
                    for (int i = 0; i < 8; i++) {
                        p.setInt(1, 160 + 10 * i); p.setInt(2, 169 + 10 * i);
                        r = p.executeQuery();
                        for (n = 0; r.next(); n++) sum += r.getInt(1);
                        System.out.println(n + " " + sum);
                    }
                }
                c.rollback();
            }
        });
        part("cursors", () -> {
            conn.setAutoCommit(false);
            try (Statement s = conn.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet r = s.executeQuery("SELECT id, v FROM parent WHERE id BETWEEN 160 AND 163 ORDER BY id");
                r.last(); System.out.println(r.getInt(1));
                r.deleteRow();
                r.first(); r.updateString(2, "changed"); r.updateRow();
                System.out.println(r.getString(2));
            }
            conn.commit();
            query("SELECT id, v FROM parent WHERE id BETWEEN 160 AND 163 ORDER BY id");
        });
        part("transactions and savepoints", () -> {
            conn.setAutoCommit(false);
            try (Statement s = conn.createStatement()) {
                System.out.println(s.executeUpdate("DELETE FROM parent WHERE id = 170"));
                Savepoint sp = conn.setSavepoint("sp");
                System.out.println(s.executeUpdate("DELETE FROM parent WHERE id = 171"));
                conn.rollback(sp);
                attempt(() -> s.executeUpdate("DELETE FROM parent WHERE nothing = 1"));
                attempt(() -> System.out.println(s.executeUpdate("DELETE FROM parent WHERE id = 172")));
                conn.rollback(sp);
                conn.commit();
            }
            query("SELECT id FROM parent WHERE id BETWEEN 169 AND 173 ORDER BY id");
            conn.rollback();
            conn.setReadOnly(true);
            attempt(() -> conn.createStatement().executeUpdate("DELETE FROM parent WHERE id = 173"));
            conn.rollback();
            conn.setReadOnly(false);
        });
        part("copy", () -> {
            CopyManager copy = conn.unwrap(PGConnection.class).getCopyAPI();
            System.out.println(copy.copyIn("COPY parent (id, v) FROM STDIN", new StringReader("2000\tcopied\n2001\t\\N\n")));
            attempt(() -> copy.copyIn("COPY parent (id, v) FROM STDIN", new StringReader("2000\tagain\n")));
            StringWriter out = new StringWriter();
            System.out.println(copy.copyOut("COPY (SELECT id, v FROM parent WHERE id >= 2000 ORDER BY id) TO STDOUT (FORMAT csv)", out));
            System.out.println(out);
            CopyIn in = copy.copyIn("COPY parent (id) FROM STDIN");
            byte[] row = "3000\n".getBytes();
            in.writeToCopy(row, 0, row.length);
            in.cancelCopy();
            query("SELECT max(id) FROM parent");
        });
        part("large objects", () -> {
            conn.setAutoCommit(false);
            LargeObjectManager m = conn.unwrap(PGConnection.class).getLargeObjectAPI();
            long oid = m.createLO(LargeObjectManager.READWRITE);
            LargeObject lo = m.open(oid, LargeObjectManager.READWRITE);
            lo.write(new byte[100000]);
            lo.seek(5);
            System.out.println(lo.size() + " " + lo.tell() + " " + lo.read(10).length);
            lo.truncate(50);
            System.out.println(lo.size());
            lo.close();
            m.delete(oid);
            attempt(() -> m.open(oid));
        });
        part("cancel and timeout", () -> {
            try (Statement s = conn.createStatement()) {
                s.setQueryTimeout(1);
                attempt(() -> s.execute("SELECT pg_sleep(600)"));
            }
            query("SELECT 'alive' AS state");
        });
        part("describe", () -> {
            try (PreparedStatement p = conn.prepareStatement("DELETE FROM parent WHERE id = ? AND n > ? RETURNING id AS gone, n * 2")) {
                ParameterMetaData m = p.getParameterMetaData();
                for (int i = 1; i <= m.getParameterCount(); i++) System.out.println(m.getParameterTypeName(i));
                ResultSetMetaData r = p.getMetaData();
                if (r != null) for (int i = 1; i <= r.getColumnCount(); i++) System.out.println(r.getColumnLabel(i) + " " + r.getColumnTypeName(i));
                p.setInt(1, 200); p.setInt(2, 1);
                rows(p.executeQuery());
            }
            ResultSet t = conn.getMetaData().getExportedKeys(null, "public", "parent");
            while (t.next()) System.out.println(t.getString("FKTABLE_NAME") + " " + t.getString("DELETE_RULE"));
        });
        part("functions", () -> {
            st.execute("CREATE OR REPLACE FUNCTION gone(i int, OUT n int) LANGUAGE plpgsql AS $$ BEGIN DELETE FROM parent WHERE id = i; GET DIAGNOSTICS n = ROW_COUNT; END $$");
            try (CallableStatement c = conn.prepareCall("{? = call gone(?)}")) {
                c.registerOutParameter(1, Types.INTEGER);
                for (int i = 210; i < 218; i++) { c.setInt(2, i); c.execute(); System.out.println(c.getInt(1)); }
            }
        });
        part("what is left", () -> {
            query("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent");
            query("SELECT count(*), sum(parent_id) FROM child");
            query("SELECT name FROM pg_cursors WHERE name NOT LIKE 'C\\_%' AND name <> ''");
        });
    }
}
