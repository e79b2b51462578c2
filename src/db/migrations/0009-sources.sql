-- Times in which a source, an API key that pushes leads, was silent when leads would have come. `expected` is how many. Written by the
-- watcher beside the requests; nothing is decided on it, so it takes no dealer's clock.
create table source_silences (
  dealer_id uuid not null,
  api_key_id uuid not null,
  since timestamptz not null,
  last_lead_id uuid not null,
  noticed_at timestamptz not null,
  expected integer not null,
  ended_at timestamptz,
  primary key (dealer_id, api_key_id, noticed_at),
  foreign key (dealer_id, api_key_id) references api_keys
);
create unique index source_silences_open on source_silences (dealer_id, api_key_id) where ended_at is null;
