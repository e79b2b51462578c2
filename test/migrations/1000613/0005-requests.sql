-- What was asked with API keys. Written some seconds' worth at a time, beside the requests; nothing is decided on it, so it takes no
-- dealer's clock. Never a body, a key or a token.
create table api_key_requests (
  dealer_id uuid not null,
  id uuid not null,
  at timestamptz not null,
  api_key_id uuid not null,
  credential_id uuid not null,
  request_id text not null,
  operation text not null,
  status smallint not null,
  duration_ms real not null,
  address text not null,
  user_agent text,
  lead_id uuid,
  primary key (dealer_id, id)
);
create index api_key_requests_key on api_key_requests (dealer_id, api_key_id, id);
create index api_key_requests_lead on api_key_requests (dealer_id, lead_id) where lead_id is not null;
create index api_key_requests_at on api_key_requests (at);

create table api_key_usage (
  dealer_id uuid not null,
  api_key_id uuid not null,
  hour timestamptz not null,
  operation text not null,
  status_class smallint not null,
  requests bigint not null,
  primary key (dealer_id, api_key_id, hour, operation, status_class)
);

create table api_key_last_used (
  dealer_id uuid not null,
  api_key_id uuid not null,
  at timestamptz not null,
  operation text not null,
  status smallint not null,
  address text not null,
  user_agent text,
  credential_id uuid not null,
  primary key (dealer_id, api_key_id)
);
