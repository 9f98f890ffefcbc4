SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA rowback_journal;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE rowback_journal.allowance (
    no bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    expires bigint NOT NULL,
    rows bigint NOT NULL,
    once boolean NOT NULL,
    revoked boolean DEFAULT false NOT NULL,
    used bigint DEFAULT 0 NOT NULL,
    uses bigint DEFAULT 0 NOT NULL,
    body json NOT NULL
);
ALTER TABLE rowback_journal.allowance ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rowback_journal.allowance_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE rowback_journal.allowance_use (
    allowance bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    rows bigint NOT NULL
);
CREATE TABLE rowback_journal.block (
    entry bigint NOT NULL,
    no integer NOT NULL,
    rows integer NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY rowback_journal.block ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE rowback_journal.count_past (
    rule text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    per double precision NOT NULL,
    upto timestamp with time zone NOT NULL,
    rows bigint NOT NULL
);
CREATE TABLE rowback_journal.count_pending (
    rule text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    per double precision NOT NULL,
    tx text NOT NULL COLLATE pg_catalog."C",
    proxy text NOT NULL COLLATE pg_catalog."C",
    rows bigint NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE rowback_journal.entry (
    no bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    database text NOT NULL,
    "user" text NOT NULL,
    application text NOT NULL,
    proxy text NOT NULL,
    rows bigint NOT NULL,
    keys bigint NOT NULL,
    bytes bigint NOT NULL,
    body json NOT NULL
);
ALTER TABLE rowback_journal.entry ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rowback_journal.entry_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE rowback_journal.hold (
    no bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    state text NOT NULL,
    body json NOT NULL
);
ALTER TABLE rowback_journal.hold ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rowback_journal.hold_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE rowback_journal.image (
    entry bigint NOT NULL,
    no bigint NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY rowback_journal.image ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE rowback_journal.image_set (
    entry bigint NOT NULL,
    rows bigint NOT NULL,
    blocks bigint NOT NULL,
    key_name text NOT NULL,
    set_id bytea NOT NULL,
    bond bytea NOT NULL
);
CREATE TABLE rowback_journal.journal (
    one boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    CONSTRAINT journal_one_check CHECK (one)
);
CREATE TABLE rowback_journal.proxy (
    no integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    seen timestamp with time zone NOT NULL
);
ALTER TABLE rowback_journal.proxy ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rowback_journal.proxy_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE rowback_journal.touched (
    name text NOT NULL COLLATE pg_catalog."C",
    schema text NOT NULL COLLATE pg_catalog."C",
    entry bigint NOT NULL
);
INSERT INTO rowback_journal.allowance OVERRIDING SYSTEM VALUE VALUES (1, '01KG9YS9K3152EXTW1A1J4A8YJ', 1769860800123456789, 1769864400123456789, 10, false, false, 3, 1, '{"id":"01KG9YS9K3152EXTW1A1J4A8YJ","time":"2026-01-31T12:00:00.123456789Z","expires":"2026-01-31T13:00:00.123456789Z","rows":10,"once":false,"reason":"cleanup","by":"ops","uses":null}');
INSERT INTO rowback_journal.allowance_use VALUES (1, '01KG9YS7KV4X2GB5HJ32FWSZZR', 1769860860123456789, 3);
INSERT INTO rowback_journal.block VALUES (1, 0, 3, '\x0000010334310001033432000103c3a4');
INSERT INTO rowback_journal.block VALUES (2, 0, 3, '\x0000010334310001033432000103c3a4');
INSERT INTO rowback_journal.count_past VALUES ('night', 'batch', 86400, '2026-11-27 16:24:00+00', 3);
INSERT INTO rowback_journal.count_pending VALUES ('night', 'batch', 86400, 'b', 'p1', 3, '2026-11-27 16:11:55.818817+00');
INSERT INTO rowback_journal.entry OVERRIDING SYSTEM VALUE VALUES (1, '01KG9YS7KV4X2GB5HJ32FWSZZR', 1769860800123456789, 'deletion', 'committed', 'shop', 'batch', 'cleanup', 'p1', 3, 3, 459, '{"id":"01KG9YS7KV4X2GB5HJ32FWSZZR","time":"2026-01-31T12:00:00.123456789Z","kind":"deletion","database":"shop","user":"batch","application":"cleanup","client":"","xid":"","outcome":"in_doubt","statements":null,"rows":3,"tables":[{"schema":"public","table":"orders","oid":0,"rows":3,"via":"direct","keys_captured":true,"key_columns":[{"name":"id","type":"text"}],"rows_captured":false,"row_columns":[{"name":"id","type":"text"}]}],"proxy":"p1"}');
INSERT INTO rowback_journal.entry OVERRIDING SYSTEM VALUE VALUES (2, '01KG9YS8K3152EXTW1A1J4A8YJ', 1769860801123456789, 'deletion', 'in_doubt', 'shop', 'batch', 'cleanup', 'p1', 3, 3, 532, '{"id":"01KG9YS8K3152EXTW1A1J4A8YJ","time":"2026-01-31T12:00:01.123456789Z","kind":"deletion","database":"shop","user":"batch","application":"cleanup","client":"","xid":"","outcome":"in_doubt","statements":null,"rows":3,"tables":[{"schema":"public","table":"orders","oid":0,"rows":3,"via":"direct","keys_captured":true,"key_columns":[{"name":"id","type":"text"}],"rows_captured":true,"row_columns":[{"name":"id","type":"text"}]}],"proxy":"p1"}');
INSERT INTO rowback_journal.hold OVERRIDING SYSTEM VALUE VALUES (1, '01KG9YSAK3152EXTW1A1J4A8YJ', 1769860800123456789, 'waiting', '{"id":"01KG9YSAK3152EXTW1A1J4A8YJ","time":"2026-01-31T12:00:00.123456789Z","expires":"2026-01-31T12:01:00.123456789Z","database":"shop","user":"batch","application":"","client":"","sql":"DELETE FROM orders","what":"DELETE would remove 3 rows","rows":3,"at_least":false,"rule":"night","state":"waiting"}');
INSERT INTO rowback_journal.image VALUES (2, 0, '\x295366a89e487acc71293c49bc57ea06e4026568061ad60de49593f21b539d189727488a028ba2cb4b4fc7afe5ef657e84df581ab7e631c311a04fbaa2af074232a35c887a9746be6492');
INSERT INTO rowback_journal.image_set VALUES (2, 3, 1, 'e3afebb4aad3', '\x8a3b627fd185bd11ec1a46bc5bcf65be', '\x57d63ef9ac0ae76625d2c0617e71b9f94768245ce5309fe72d25b61e');
INSERT INTO rowback_journal.journal VALUES (true, 1, 'ae2be3eb-bc43-41d5-8f48-3e8ee2228007');
INSERT INTO rowback_journal.proxy OVERRIDING SYSTEM VALUE VALUES (1, 'p1', '2026-11-27 16:11:55.773238+00');
INSERT INTO rowback_journal.touched VALUES ('orders', 'public', 1);
INSERT INTO rowback_journal.touched VALUES ('orders', 'public', 2);
SELECT pg_catalog.setval('rowback_journal.allowance_no_seq', 1, true);
SELECT pg_catalog.setval('rowback_journal.entry_no_seq', 2, true);
SELECT pg_catalog.setval('rowback_journal.hold_no_seq', 1, true);
SELECT pg_catalog.setval('rowback_journal.proxy_no_seq', 1, true);
ALTER TABLE ONLY rowback_journal.allowance
    ADD CONSTRAINT allowance_id_key UNIQUE (id);
ALTER TABLE ONLY rowback_journal.allowance
    ADD CONSTRAINT allowance_pkey PRIMARY KEY (no);
ALTER TABLE ONLY rowback_journal.allowance_use
    ADD CONSTRAINT allowance_use_pkey PRIMARY KEY (allowance, id);
ALTER TABLE ONLY rowback_journal.block
    ADD CONSTRAINT block_pkey PRIMARY KEY (entry, no);
ALTER TABLE ONLY rowback_journal.count_past
    ADD CONSTRAINT count_past_pkey PRIMARY KEY (rule, key, per, upto);
ALTER TABLE ONLY rowback_journal.count_pending
    ADD CONSTRAINT count_pending_pkey PRIMARY KEY (rule, key, per, tx);
ALTER TABLE ONLY rowback_journal.entry
    ADD CONSTRAINT entry_id_key UNIQUE (id);
ALTER TABLE ONLY rowback_journal.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (no);
ALTER TABLE ONLY rowback_journal.hold
    ADD CONSTRAINT hold_id_key UNIQUE (id);
ALTER TABLE ONLY rowback_journal.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (no);
ALTER TABLE ONLY rowback_journal.image
    ADD CONSTRAINT image_pkey PRIMARY KEY (entry, no);
ALTER TABLE ONLY rowback_journal.image_set
    ADD CONSTRAINT image_set_pkey PRIMARY KEY (entry);
ALTER TABLE ONLY rowback_journal.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (one);
ALTER TABLE ONLY rowback_journal.proxy
    ADD CONSTRAINT proxy_name_key UNIQUE (name);
ALTER TABLE ONLY rowback_journal.proxy
    ADD CONSTRAINT proxy_pkey PRIMARY KEY (no);
ALTER TABLE ONLY rowback_journal.touched
    ADD CONSTRAINT touched_pkey PRIMARY KEY (name, schema, entry);
CREATE INDEX allowance_expires ON rowback_journal.allowance USING btree (expires);
CREATE INDEX count_pending_tx ON rowback_journal.count_pending USING btree (tx);
CREATE INDEX entry_in_doubt ON rowback_journal.entry USING btree ("time", id) WHERE (outcome = 'in_doubt'::text);
CREATE INDEX entry_list ON rowback_journal.entry USING btree ("time", id);
CREATE INDEX hold_state ON rowback_journal.hold USING btree (state, "time");
CREATE INDEX touched_entry ON rowback_journal.touched USING btree (entry);
ALTER TABLE ONLY rowback_journal.allowance_use
    ADD CONSTRAINT allowance_use_allowance_fkey FOREIGN KEY (allowance) REFERENCES rowback_journal.allowance(no) ON DELETE CASCADE;
ALTER TABLE ONLY rowback_journal.block
    ADD CONSTRAINT block_entry_fkey FOREIGN KEY (entry) REFERENCES rowback_journal.entry(no) ON DELETE CASCADE;
ALTER TABLE ONLY rowback_journal.image
    ADD CONSTRAINT image_entry_fkey FOREIGN KEY (entry) REFERENCES rowback_journal.entry(no) ON DELETE CASCADE;
ALTER TABLE ONLY rowback_journal.image_set
    ADD CONSTRAINT image_set_entry_fkey FOREIGN KEY (entry) REFERENCES rowback_journal.entry(no) ON DELETE CASCADE;
ALTER TABLE ONLY rowback_journal.touched
    ADD CONSTRAINT touched_entry_fkey FOREIGN KEY (entry) REFERENCES rowback_journal.entry(no) ON DELETE CASCADE;
