create table dealers (
  id uuid primary key,
  name text not null,
  country text not null,
  time_zone text not null,
  language text not null,
  created_at timestamptz not null
);

-- Whoever changes anything of a dealer holds this row: one writer at a time per dealer. seq is the number of the dealer's last event.
create table dealer_clocks (
  dealer_id uuid primary key references dealers,
  seq bigint not null default 0
);

create table users (
  id uuid primary key,
  dealer_id uuid not null references dealers,
  email text not null,
  name text not null,
  role text not null check (role in ('admin', 'sales')),
  password_hash text not null,
  deactivated_at timestamptz,
  created_at timestamptz not null,
  unique (dealer_id, id)
);
create unique index users_email on users (lower(email));

-- What an access token is judged against, and the only thing. Ending now is epoch + 1 and ends_at = '-infinity'.
create table credentials (
  dealer_id uuid not null references dealers,
  id uuid not null,
  subject_type text not null check (subject_type in ('api_key', 'user')),
  subject_id uuid not null,
  scopes text[] not null,
  environment text not null check (environment in ('live', 'test')),
  epoch integer not null default 1,
  disabled boolean not null default false,
  ends_at timestamptz not null default 'infinity',
  created_at timestamptz not null,
  primary key (dealer_id, id)
);
create index credentials_subject on credentials (dealer_id, subject_id);

create table api_keys (
  dealer_id uuid not null references dealers,
  id uuid not null,
  name text not null,
  kind text not null check (kind in ('digital_requests', 'extensive_integrations')),
  environment text not null check (environment in ('live', 'test')),
  scopes text[] not null check (cardinality(scopes) > 0),
  mask text not null,
  created_by uuid not null,
  disabled boolean not null default false,
  deleted_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (dealer_id, id),
  foreign key (dealer_id, created_by) references users (dealer_id, id)
);
create unique index api_keys_name on api_keys (dealer_id, lower(name)) where deleted_at is null;

create table api_key_secrets (
  lookup text primary key,
  dealer_id uuid not null,
  api_key_id uuid not null,
  credential_id uuid not null,
  hash bytea not null,
  secret_version text not null,
  created_at timestamptz not null,
  foreign key (dealer_id, api_key_id) references api_keys,
  foreign key (dealer_id, credential_id) references credentials
);

create table sessions (
  dealer_id uuid not null,
  credential_id uuid not null,
  user_id uuid not null,
  hash bytea not null,
  secret_version text not null,
  signed_in_at timestamptz not null,
  primary key (dealer_id, credential_id),
  foreign key (dealer_id, credential_id) references credentials,
  foreign key (dealer_id, user_id) references users (dealer_id, id)
);

-- A private key lies here only wrapped (AES-256-GCM) with a key that is not in the database.
create table signing_keys (
  kid text primary key,
  public_jwk jsonb not null,
  wrapped_private_key bytea not null,
  secret_version text not null,
  signs_from timestamptz not null,
  created_at timestamptz not null,
  withdrawn_at timestamptz
);
create table signing_key_generation (
  only_row boolean primary key default true check (only_row),
  generation bigint not null
);
insert into signing_key_generation (generation) values (1);

create table secret_fingerprints (
  version text primary key,
  fingerprint bytea not null
);

create table leads (
  dealer_id uuid not null references dealers,
  id uuid not null,
  type text not null,
  status text not null,
  status_reason text,
  source_type text not null,
  source_id uuid not null,
  test boolean not null,
  external_source text,
  external_id text,
  submitted_at timestamptz,
  received_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null,
  data jsonb not null,
  warnings jsonb not null,
  primary key (dealer_id, id)
);
create index leads_status on leads (dealer_id, status, id);
create index leads_source on leads (dealer_id, source_id, id);
create index leads_updated on leads (dealer_id, updated_at);

-- What a subject may send only once. kind 'reference': the lead's external reference, for ever.
create table lead_claims (
  dealer_id uuid not null,
  subject_id uuid not null,
  kind text not null check (kind in ('reference')),
  value text not null,
  lead_id uuid not null,
  primary key (dealer_id, subject_id, kind, value),
  foreign key (dealer_id, lead_id) references leads
);

create table events (
  dealer_id uuid not null,
  seq bigint not null,
  id uuid not null,
  type text not null,
  at timestamptz not null,
  subject_type text not null,
  subject_id uuid not null,
  actor_type text not null,
  actor_id uuid not null,
  changed text[] not null,
  primary key (dealer_id, seq)
);
create index events_subject on events (dealer_id, subject_id, seq);

/*
 * Stores a group of leads in one call, row by row in the order given, and says for each what became of it:
 * created, duplicate (the lead of its external reference), token-invalid, scope-missing, or keys-newer when the caller's signing keys are
 * older than the database's. The clocks of all dealers are locked first, in order; only then does the second statement read, with a
 * snapshot of its own, what it decides on.
 */
create function create_leads(
  generation_in bigint, dealers uuid[], credentials_in uuid[], epochs integer[], ids uuid[], event_ids uuid[], types text[], tests boolean[],
  external_sources text[], external_ids text[], submitted timestamptz[], datas jsonb[], warnings_in jsonb[]
) returns table (ord bigint, verdict text, lead_id uuid, received timestamptz, lead_warnings jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  moment timestamptz;
begin
  with locked as materialized (
    select dealer_id from dealer_clocks where dealer_id = any (dealers) order by dealer_id for update
  )
  select clock_timestamp() into moment from (select count(*) from locked) waited;

  return query
  with input as (
    select t.*, g.generation <> generation_in as stale
    from unnest(dealers, credentials_in, epochs, ids, event_ids, types, tests, external_sources, external_ids, submitted, datas, warnings_in)
      with ordinality
      as t(dealer_id, credential_id, epoch, id, event_id, type, test, external_source, external_id, submitted_at, data, warnings, ord),
      signing_key_generation g
  ), judged as (
    select i.*, c.subject_type, c.subject_id, i.test or c.environment = 'test' as is_test,
      case when i.stale then 'keys-newer'
           when c.subject_id is null or c.disabled or c.epoch <> i.epoch or c.ends_at <= moment then 'token-invalid'
           when not c.scopes @> array['leads:create'] then 'scope-missing'
           else 'ok' end as judgement,
      jsonb_build_array(i.external_source, i.external_id)::text as reference
    from input i
    left join lateral (select * from credentials k where k.dealer_id = i.dealer_id and k.id = i.credential_id) c on true
  ), claimed as (
    select j.*, f.lead_id as known,
      first_value(j.id) over (
        partition by j.judgement, j.dealer_id, j.subject_id, case when j.external_id is null then j.ord::text else j.reference end order by j.ord
      ) as first_id
    from judged j
    left join lateral (
      select k.lead_id from lead_claims k
      where j.external_id is not null and k.dealer_id = j.dealer_id and k.subject_id = j.subject_id and k.kind = 'reference' and k.value = j.reference
    ) f on true
  ), fresh as (
    select *, row_number() over (partition by dealer_id order by claimed.ord) as place, count(*) over (partition by dealer_id) as amount
    from claimed where judgement = 'ok' and known is null and first_id = id
  ), stored as (
    insert into leads (dealer_id, id, type, status, source_type, source_id, test, external_source, external_id, submitted_at, received_at,
                       updated_at, version, data, warnings)
    select f.dealer_id, f.id, f.type, 'new', f.subject_type, f.subject_id, f.is_test, f.external_source, f.external_id, f.submitted_at, moment,
           moment, 1, f.data, f.warnings
    from fresh f
  ), claims as (
    insert into lead_claims (dealer_id, subject_id, kind, value, lead_id)
    select f.dealer_id, f.subject_id, 'reference', f.reference, f.id from fresh f where f.external_id is not null
  ), ticked as (
    update dealer_clocks k set seq = k.seq + a.amount
    from (select distinct f.dealer_id, f.amount from fresh f) a
    where k.dealer_id = a.dealer_id
    returning k.dealer_id, k.seq - a.amount as before
  ), recorded as (
    insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed)
    select f.dealer_id, t.before + f.place, f.event_id, 'lead.created', moment, 'lead', f.id, f.subject_type, f.subject_id, '{}'
    from fresh f join ticked t using (dealer_id)
  )
  select c.ord,
    case when c.judgement <> 'ok' then c.judgement when c.known is null and c.first_id = c.id then 'created' else 'duplicate' end,
    coalesce(c.known, c.first_id), coalesce(l.received_at, moment), coalesce(l.warnings, w.warnings)
  from claimed c
  join input w on w.id = c.first_id
  left join leads l on l.dealer_id = c.dealer_id and l.id = c.known
  order by c.ord;
end $$;
