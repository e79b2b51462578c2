-- no transaction

-- Every list is of test leads or of real ones. Each filter finds what it wants, in the order of the list, without
-- looking at what it does not want; several statuses and types are put together of one list for each. Only where nothing
-- but that is asked for, real ones are read among all: an index of their own would cost every lead that comes in.
create index concurrently if not exists leads_test on leads (dealer_id, id) where test;

create index concurrently if not exists leads_kind on leads (dealer_id, test, status, type, id);
drop index concurrently if exists leads_status;

create index concurrently if not exists leads_source_test on leads (dealer_id, source_id, test, id);
drop index concurrently if exists leads_source;

-- A lead that never changed is as old as its id.
create index concurrently if not exists leads_changed on leads (dealer_id, test, updated_at, id) where version > 1;
drop index concurrently if exists leads_updated;

create index concurrently if not exists leads_phone_test on leads (dealer_id, test, (data #>> '{customer,phones,0,e164}'), id)
where data #>> '{customer,phones,0,e164}' is not null;
drop index concurrently if exists leads_phone;

create index concurrently if not exists leads_email_test
on leads (dealer_id, test, lower(btrim(data #>> '{customer,emails,0,address}')), id)
where lower(btrim(data #>> '{customer,emails,0,address}')) is not null;
drop index concurrently if exists leads_email;

create index concurrently if not exists events_test on events (dealer_id, seq) where test;
-- Written by the version before, until it has been said of them.
create index concurrently if not exists events_untold on events (dealer_id, seq) where test is null;

create index concurrently if not exists audit_entries_action on audit_entries (dealer_id, action, id);
create index concurrently if not exists audit_entries_actor on audit_entries (dealer_id, actor_id, id);

-- For the log of requests, and for credentials that are swept.
create index concurrently if not exists api_key_secrets_credential on api_key_secrets (dealer_id, credential_id);

-- Its pages are filled anew when requests are forgotten, and tell the time of nothing then.
drop index concurrently if exists api_key_requests_at;
