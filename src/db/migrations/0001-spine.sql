create table dealers (
  id uuid primary key,
  name text not null,
  country text not null,
  time_zone text not null,
  language text not null,
  created_at timestamptz not null
);

-- Whoever changes anything of a dealer holds this row: one writer at a time per dealer. seq is the number of the
-- dealer's last event.
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
  -- That of the credential which the lead is judged by in the same call.
  dealer_id uuid not null,
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
