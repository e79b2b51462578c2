-- What a person wants to be told by mail, and in which language. Null is what is usual: for admins all but each new lead, for others nothing.
alter table users
  add column language text check (language in ('en', 'da')),
  add column mail_new_lead boolean,
  add column mail_unanswered_lead boolean,
  add column mail_keys boolean;

/*
 * Mails on their way. A mail is 'handing_over' from the moment before its content is sent until the mail server has answered. Found so
 * later, nobody can tell whether it was taken: it becomes 'unknown' and is not sent again. `data` names what the mail is about; what it
 * says is read when it is written. `sealed`: what only its reader may see, wrapped, gone once the mail is.
 */
create table mails (
  dealer_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  kind text not null,
  data jsonb not null,
  sealed bytea,
  secret_version text,
  dedupe text not null,
  state text not null default 'due' check (state in ('due', 'handing_over', 'sent', 'given_up', 'unknown')),
  attempts integer not null default 0,
  due_at timestamptz not null,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  failure text,
  primary key (dealer_id, id),
  unique (dealer_id, dedupe),
  foreign key (dealer_id, user_id) references users (dealer_id, id)
);
create index mails_open on mails (due_at) where state in ('due', 'handing_over');

-- How far each dealer's people have been told: of which events, and of leads that came until when and waited too long.
create table mail_cursors (
  dealer_id uuid primary key references dealers,
  seq bigint not null,
  waited_until timestamptz not null
);
create index audit_entries_at on audit_entries (at);
