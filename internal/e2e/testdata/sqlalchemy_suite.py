"""Prints what SQLAlchemy, on psycopg2, sees of a server, line by line."""
import sys
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import JSONB

URL = sys.argv[1].replace("postgres://", "postgresql+psycopg2://")
Base = orm.declarative_base()


class Parent(Base):
    __tablename__ = "parent"
    id = sa.Column(sa.Integer, primary_key=True)
    v = sa.Column(sa.Text, nullable=False)
    n = sa.Column(sa.Numeric(10, 2))
    j = sa.Column(JSONB)
    at = sa.Column(sa.DateTime(timezone=True))
    ok = sa.Column(sa.Boolean)
    # Children are loaded and deleted one by one, loose ones cut off, by SQLAlchemy.
    children = orm.relationship("Child", cascade="all, delete-orphan", back_populates="parent", order_by="Child.id")
    loose = orm.relationship("Loose")


class Child(Base):
    __tablename__ = "child"
    id = sa.Column(sa.Integer, primary_key=True)
    parent_id = sa.Column(sa.ForeignKey("parent.id"), nullable=False)
    parent = orm.relationship(Parent, back_populates="children")


class Loose(Base):
    __tablename__ = "loose"
    id = sa.Column(sa.Integer, primary_key=True)
    parent_id = sa.Column(sa.ForeignKey("parent.id"))


def error(e):
    d = e.orig.diag
    print(type(e).__name__, type(e.orig).__name__, e.orig.pgcode, d.message_primary, d.message_detail, d.statement_position, d.constraint_name)


def attempt(run):
    try:
        print(run())
    except sa.exc.DBAPIError as e:
        error(e)


def rows(result):
    return [tuple(r) for r in result]


def blocked():
    """Each way in which deletes over the threshold are sent."""
    engine = sa.create_engine(URL)
    with orm.Session(engine) as session:
        for way in (lambda: session.execute(sa.delete(Parent).where(Parent.id <= 600).execution_options(synchronize_session=False)),
                    lambda: session.query(Parent).filter(Parent.id <= 600).delete(synchronize_session=False),
                    # The unit of work's own deletes: none of them is large, together they are.
                    lambda: ([session.delete(p) for p in session.query(Parent).filter(Parent.id <= 600)], session.flush())):
            try:
                way()
            except sa.exc.DBAPIError as e:
                print(type(e).__name__, e.orig.pgcode)
            session.rollback()
            print(session.query(Parent).count(), session.query(Child).count())


def core(engine):
    print("-- core")
    parent = Parent.__table__
    with engine.begin() as conn:
        print(rows(conn.execute(sa.select(parent).where(parent.c.id == 7))))
        print(conn.execute(sa.delete(parent).where(parent.c.id == 1)).rowcount)
        print(rows(conn.execute(sa.delete(parent).where(parent.c.id.in_([2, 3])).returning(parent.c.id, parent.c.v))))
        print(conn.execute(sa.delete(parent).where(parent.c.id == sa.bindparam("which")), [{"which": i} for i in range(10, 20)]).rowcount)
    for statement in (sa.delete(parent).where(parent.c.id == 1400), sa.text("DELETE FROM parent WHERE nothing"), sa.text("SELEC 1"),
                      sa.insert(parent).values(id=20, v="again"), sa.delete(parent).where(parent.c.id == 1401)):
        def run():
            with engine.begin() as conn:
                return conn.execute(statement).rowcount
        attempt(run)
    with engine.connect() as conn:
        with conn.begin():
            print(conn.execute(sa.delete(parent).where(parent.c.id == 21)).rowcount)
            nested = conn.begin_nested()
            print(conn.execute(sa.delete(parent).where(parent.c.id == 22)).rowcount)
            nested.rollback()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        print(conn.execute(sa.delete(parent).where(parent.c.id == 23)).rowcount)
        attempt(lambda: conn.execute(sa.delete(parent).where(parent.c.id == 1400)))
        print(conn.execute(sa.delete(parent).where(parent.c.id == 24)).rowcount)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn, conn.begin():
        print(conn.execute(sa.delete(parent).where(parent.c.id == 25)).rowcount)
    with engine.connect().execution_options(stream_results=True, max_row_buffer=50) as conn:
        stream = conn.execute(sa.select(parent.c.id).order_by(parent.c.id))  # a cursor on the server
        print(sum(r[0] for r in stream))


def unit_of_work(engine):
    print("-- the unit of work")
    with orm.Session(engine) as session:
        for i in range(30, 35):
            session.delete(session.get(Parent, i))
        session.commit()
        session.delete(session.query(Child).filter_by(parent_id=40).one())
        a, b = session.get(Parent, 41), session.get(Parent, 45)
        a.children.clear()
        b.loose.clear()
        session.flush()
        print(session.query(Child).filter(Child.parent_id.in_([40, 41])).count(), session.query(Loose).filter_by(parent_id=45).count())
        session.commit()
        session.add_all(Parent(id=2000 + i, v="added %d" % i, children=[Child(), Child()]) for i in range(100))
        session.commit()
        print(session.query(sa.func.count(Child.id), sa.func.max(Child.id)).one())
        with session.begin_nested() as sp:
            session.delete(session.get(Parent, 50))
            session.flush()
            sp.rollback()
        try:
            with session.begin_nested():
                session.delete(session.get(Parent, 1400))
        except sa.exc.DBAPIError as e:
            error(e)
        session.delete(session.get(Parent, 51))
        session.commit()
        # A row that somebody else has deleted.
        gone = session.get(Parent, 60)
        with engine.begin() as conn:
            conn.execute(sa.text("DELETE FROM parent WHERE id = 60"))
        session.delete(gone)
        session.commit()
        print(session.query(Parent).filter(Parent.id.between(70, 169)).delete(synchronize_session="fetch"))
        print(session.execute(sa.delete(Parent).where(Parent.id == 170).returning(Parent.id).execution_options(synchronize_session=False)).all())
        session.merge(Parent(id=171, v="merged"))
        session.commit()
        print(sum(r.id for r in session.query(Parent.id).order_by(Parent.id).yield_per(100)))


def two_phases(engine):
    print("-- two phases")
    with orm.Session(engine, twophase=True) as session:
        session.delete(session.get(Parent, 180))
        session.commit()
        session.delete(session.get(Parent, 181))
        session.flush()
        session.rollback()


def catalog(engine):
    print("-- reflection")
    meta = sa.MetaData()
    meta.reflect(engine)
    for table in meta.sorted_tables:
        print(table.name, [(c.name, str(c.type)) for c in table.columns], sorted(str(f.ondelete) for f in table.foreign_keys))
    other = sa.Table("other", meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("parent_id", sa.ForeignKey("parent.id", ondelete="CASCADE")))
    other.create(engine)
    with engine.begin() as conn:
        conn.execute(other.insert(), [{"parent_id": i} for i in range(190, 200)])
        print(conn.execute(sa.text("DELETE FROM parent WHERE id BETWEEN 190 AND 194")).rowcount)
        print(conn.execute(sa.select(sa.func.count()).select_from(other)).scalar())
    other.drop(engine)


def state(engine):
    print("-- what is left")
    with engine.connect() as conn:
        for query in ("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent", "SELECT count(*), sum(parent_id) FROM child",
                      "SELECT count(*), count(parent_id) FROM loose", "SELECT name FROM pg_prepared_statements", "SELECT name FROM pg_cursors WHERE name <> ''"):
            print(rows(conn.execute(sa.text(query))))


if len(sys.argv) > 2:
    blocked()
else:
    engine = sa.create_engine(URL, pool_size=2)
    for part in core, unit_of_work, two_phases, catalog, state:
        part(engine)
