"""Prints what Django's ORM sees of a server, line by line."""
import sys, urllib.parse
import django
from django.apps import AppConfig
from django.conf import settings


class Shop(AppConfig):  # only an application's models know of what refers to them
    name, label = "__main__", "shop"


url = urllib.parse.urlsplit(sys.argv[1])
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username, "HOST": url.hostname, "PORT": url.port,
                           "OPTIONS": {"sslmode": "disable"}}},
    INSTALLED_APPS=["__main__.Shop"], DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True, LOGGING_CONFIG=None)
django.setup()

from django.db import DatabaseError, connection, models, transaction  # noqa: E402: after setup


class Meta:
    app_label, managed = "shop", False


class Parent(models.Model):
    v = models.TextField(unique=True)
    n = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    j = models.JSONField(null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    b = models.BinaryField(null=True)
    u = models.UUIDField(null=True)
    ok = models.BooleanField(null=True)

    class Meta(Meta):
        db_table = "parent"


class Child(models.Model):
    parent = models.ForeignKey(Parent, models.CASCADE, related_name="children")

    class Meta(Meta):
        db_table = "child"


class Loose(models.Model):
    parent = models.ForeignKey(Parent, models.SET_NULL, null=True)

    class Meta(Meta):
        db_table = "loose"


# What Django makes itself: foreign keys that are deferred and without an action.
class Order(models.Model):
    number = models.IntegerField()
    tags = models.ManyToManyField("Tag")

    class Meta:
        app_label = "shop"


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)

    class Meta:
        app_label = "shop"


class Tag(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "shop"


class Guarded(models.Model):
    order = models.ForeignKey(Order, models.PROTECT)

    class Meta:
        app_label = "shop"


def attempt(run):
    try:
        with transaction.atomic():
            print(run())
    except DatabaseError as e:
        d = e.__cause__.diag if e.__cause__ else None
        print(type(e).__name__, d and (d.sqlstate, d.message_primary, d.message_detail, d.statement_position, d.constraint_name) or str(e))


def blocked():
    """Each way in which deletes over the threshold are sent."""
    for way in (lambda: Parent.objects.filter(id__lte=600).delete(),  # the collector: the children by their ids, then the parents
                lambda: Parent.objects.filter(id__lte=600)._raw_delete("default"),
                lambda: [p.delete() for p in Parent.objects.filter(id__lte=600)],
                lambda: connection.cursor().execute("DELETE FROM parent WHERE id <= %s", [600])):
        try:
            with transaction.atomic():
                way()
        except DatabaseError as e:
            print(type(e).__name__, e.__cause__.pgcode)
        print(Parent.objects.count(), Child.objects.count())


def objects():
    print("-- objects")
    print([bytes(v) if isinstance(v, memoryview) else v for v in Parent.objects.filter(id=7).values_list().get()])
    print(Parent.objects.filter(j__n=8).exists(), Parent.objects.filter(at__year=2024).count(), Parent.objects.aggregate(models.Sum("n")))
    print(Parent.objects.get(id=1).delete())
    print(Parent.objects.filter(id__in=range(2, 6)).delete())
    print(Parent.objects.filter(id__range=(20, 119)).delete())
    print(Child.objects.filter(parent__v="v120").delete())
    print(Parent.objects.get(id=121).children.all().delete())
    print(Parent.objects.filter(children__isnull=True, id__range=(120, 125)).delete())
    print(Parent.objects.get_or_create(id=3000, defaults={"v": "made"})[1], Parent.objects.get_or_create(id=3000)[1])
    print(Parent.objects.update_or_create(id=3000, defaults={"v": "made again", "ok": True})[1])
    print(len(Parent.objects.bulk_create([Parent(id=i, v="bulk %d" % i, j={"i": i}) for i in range(4000, 4500)], batch_size=100)))
    print(len(Child.objects.bulk_create([Child(parent_id=i) for i in range(4000, 4500)])), Child.objects.last().id)
    print(Parent.objects.bulk_update([Parent(id=i, ok=False) for i in range(4000, 4010)], ["ok"]))
    print(sum(p.id for p in Parent.objects.order_by("id").iterator(chunk_size=70)))  # a cursor on the server
    print(sum(p.delete()[0] for p in Parent.objects.filter(id__range=(130, 139)).order_by("id").iterator(chunk_size=3)))
    print(Loose.objects.filter(parent__isnull=True).count())


def errors():
    print("-- errors")
    attempt(lambda: Parent.objects.get(id=1400).delete())
    attempt(lambda: Parent.objects.filter(id=1401).delete())
    attempt(lambda: Parent.objects.create(id=10, v="again"))
    attempt(lambda: Parent.objects.create(id=-1, v="below"))
    attempt(lambda: Parent.objects.raw("SELECT nothing FROM parent")[0])
    attempt(lambda: connection.cursor().execute("DELETE FROM parent WHERE nothing = %s", [1]))
    attempt(lambda: Parent.objects.filter(id=140).select_for_update(nowait=True).get().delete())


def transactions():
    print("-- transactions")
    with transaction.atomic():
        print(Parent.objects.filter(id=150).delete())
        try:
            with transaction.atomic():
                Parent.objects.filter(id=151).delete()
                Parent.objects.filter(id=1400).delete()
        except DatabaseError as e:
            print(type(e).__name__)
        sid = transaction.savepoint()
        Parent.objects.filter(id=152).delete()
        transaction.savepoint_rollback(sid)
        sid = transaction.savepoint()
        Parent.objects.filter(id=153).delete()
        transaction.savepoint_commit(sid)
        transaction.on_commit(lambda: print("committed"))
    try:
        with transaction.atomic(durable=True):
            Parent.objects.filter(id=154).delete()
            raise KeyError
    except KeyError:
        pass
    with transaction.atomic():
        Parent.objects.filter(id=155).delete()
        transaction.set_rollback(True)
    print(list(Parent.objects.filter(id__range=(149, 156)).values_list("id", flat=True).order_by("id")))


def own_schema():
    print("-- Django's own schema")
    with connection.schema_editor() as editor:
        for model in Tag, Order, Line, Guarded:
            editor.create_model(model)
    tags = [Tag.objects.create(name=n) for n in "abc"]
    for i in range(50):
        order = Order.objects.create(number=i)
        order.tags.set(tags)
        Line.objects.bulk_create(Line(order=order) for _ in range(4))
    order = Order.objects.get(number=7)
    order.tags.remove(tags[0])
    order.tags.clear()
    print(Order.objects.filter(number__lt=10).delete())
    print(tags[0].delete())
    Guarded.objects.create(order=Order.objects.get(number=20))
    try:
        Order.objects.filter(number__lte=20).delete()
    except models.ProtectedError as e:
        print(type(e).__name__, len(e.protected_objects))
    attempt(lambda: Order.objects.filter(number=20)._raw_delete("default"))  # fails at COMMIT
    attempt(lambda: (connection.cursor().execute("DELETE FROM shop_line WHERE order_id = 21"), connection.check_constraints()))
    with connection.schema_editor() as editor:
        field = models.IntegerField(null=True)
        field.set_attributes_from_name("more")
        editor.add_field(Line, field)
    print(Line.objects.filter(order__number__lt=30).delete())
    print(Order.objects.count(), Line.objects.count(), Order.tags.through.objects.count())
    print([(i.name, i.type) for i in connection.introspection.get_table_list(connection.cursor())])
    with connection.schema_editor() as editor:
        editor.delete_model(Guarded)


def state():
    print("-- what is left")
    with connection.cursor() as cursor:
        for query in ("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent", "SELECT count(*), sum(parent_id) FROM child",
                      "SELECT count(*), count(parent_id) FROM loose", "SELECT name FROM pg_prepared_statements", "SELECT name FROM pg_cursors WHERE name <> ''"):
            cursor.execute(query)
            print(cursor.fetchall())


if len(sys.argv) > 2:
    blocked()
else:
    for part in objects, errors, transactions, own_schema, state:
        part()
