-- What was refused to a key or a person, gathered: one row for each, with the reason, the address and the hour. Beyond
-- so many addresses in an hour they share the row without one. They are forgotten in time, which audit entries are not.
create table refusals (
  dealer_id uuid not null,
  id uuid not null,
  subject_type text not null check (subject_type in ('user', 'api_key')),
  subject_id uuid not null,
  code text not null,
  address text not null,
  hour timestamptz not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  requests bigint not null,
  primary key (dealer_id, id)
) with (fillfactor = 80);
create unique index refusals_gathered on refusals (dealer_id, subject_id, code, hour, address);

-- Whoever signs out or in is known; whoever asks for a link is not. The rows that are there are of fewer types.
alter table audit_entries
  drop constraint audit_entries_actor_type_check,
  add constraint audit_entries_actor_type_check check (actor_type in ('user', 'api_key', 'operator', 'unknown')) not valid;
