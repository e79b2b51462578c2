-- One change by a person, an integration or the operator, written in the transaction of the change. It holds no secret and no customer data.
create table audit_entries (
  dealer_id uuid not null references dealers,
  id uuid not null,
  at timestamptz not null,
  action text not null,
  actor_type text not null check (actor_type in ('user', 'api_key', 'operator')),
  actor_id uuid,
  actor_name text not null,
  address text,
  subject_type text not null,
  subject_id uuid not null,
  subject_name text not null,
  before jsonb not null,
  after jsonb not null,
  reason text,
  primary key (dealer_id, id)
);
create index audit_entries_subject on audit_entries (dealer_id, subject_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% only takes new rows', tg_table_name using errcode = '42501';
end $$;
-- Whoever owns a table may do everything with it; this holds for the owner, too, and for superusers.
create trigger audit_entries_append_only before update or delete on audit_entries for each row execute function refuse_change();
create trigger audit_entries_not_emptied before truncate on audit_entries execute function refuse_change();
revoke update, delete, truncate on audit_entries from public, current_user;
