-- The person or company behind leads. What is shown of one is computed from its sources, and kept here as it was
-- computed last; of one that was merged into another, or has no source left, nothing is. The pointer is all that a merge
-- changes: sources and links keep the customer that they were given. `rev_seq` and `rev_event` are the last event about
-- it.
create table customers (
  dealer_id uuid not null,
  id uuid not null,
  test boolean not null,
  state text not null check (state in ('active', 'merged', 'gone')),
  merged_into uuid,
  shown jsonb,
  version integer not null,
  rev_seq bigint not null,
  rev_event uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (dealer_id, id),
  -- For those who point here: test and live never meet.
  unique (dealer_id, test, id),
  foreign key (dealer_id, test, merged_into) references customers (dealer_id, test, id),
  check ((state = 'merged') = (merged_into is not null)),
  check ((state = 'active') = (shown is not null)),
  check (merged_into <> id)
);
create index customers_active on customers (dealer_id, test, id) where state = 'active';
create index customers_changed on customers (dealer_id, test, updated_at, id) where state = 'active' and version > 1;
create index customers_merged on customers (dealer_id, merged_into) where merged_into is not null;

-- What is said of a customer: one row for each system and id of that system, and one for edits by people. A row that a
-- system has taken back says nothing any more, and still knows which version it had and whose it was. What a lead says
-- stands in the lead, which its row of lead_links leads to. `changed_at` has a time for each member of `data`.
create table customer_sources (
  dealer_id uuid not null,
  id uuid not null,
  customer_id uuid not null,
  test boolean not null,
  kind text not null check (kind in ('system', 'people')),
  source text,
  external_id text,
  source_version bigint,
  data jsonb,
  changed_at jsonb not null default '{}',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (dealer_id, id),
  foreign key (dealer_id, test, customer_id) references customers (dealer_id, test, id),
  check ((kind = 'system') = (source is not null)),
  check ((source is null) = (external_id is null))
);
create unique index customer_sources_reference on customer_sources (dealer_id, test, source, external_id) where kind = 'system';
create unique index customer_sources_people on customer_sources (dealer_id, customer_id) where kind = 'people';
create index customer_sources_customer on customer_sources (dealer_id, customer_id);

-- Which system goes before which: in the order in which they wrote first, which never changes.
create table customer_systems (
  dealer_id uuid not null,
  test boolean not null,
  source text not null,
  place integer not null,
  primary key (dealer_id, test, source),
  unique (dealer_id, test, place)
);

-- Whose lead it is. `rev_seq` and `rev_event` are the event of the link, `reasons` says in codes why it was made.
create table lead_links (
  dealer_id uuid not null,
  lead_id uuid not null,
  customer_id uuid not null,
  test boolean not null,
  rev_seq bigint not null,
  rev_event uuid not null,
  reasons text[] not null default '{}',
  primary key (dealer_id, lead_id),
  foreign key (dealer_id, lead_id) references leads,
  foreign key (dealer_id, test, customer_id) references customers (dealer_id, test, id)
);
create index lead_links_customer on lead_links (dealer_id, customer_id, lead_id);

-- By what a customer is found: each value of its sources in the form in which values are compared. They are those of
-- the living one; what of another form than ours is looked for lies in `value` as it is looked for.
create table customer_keys (
  dealer_id uuid not null,
  test boolean not null,
  kind text not null,
  value text collate "C" not null,
  customer_id uuid not null,
  primary key (dealer_id, test, kind, value, customer_id),
  foreign key (dealer_id, test, customer_id) references customers (dealer_id, test, id)
);
create index customer_keys_customer on customer_keys (dealer_id, customer_id);

-- Two customers that may be one. `rejected_at`: somebody has said that they are not, which stops the suggestion.
create table customer_suggestions (
  dealer_id uuid not null,
  id uuid not null,
  test boolean not null,
  one_id uuid not null,
  other_id uuid not null,
  score real not null,
  reasons text[] not null,
  created_at timestamptz not null,
  rejected_at timestamptz,
  primary key (dealer_id, id),
  unique (dealer_id, one_id, other_id),
  foreign key (dealer_id, test, one_id) references customers (dealer_id, test, id),
  foreign key (dealer_id, test, other_id) references customers (dealer_id, test, id),
  check (one_id < other_id)
);
create index customer_suggestions_other on customer_suggestions (dealer_id, other_id);
create index customer_suggestions_open on customer_suggestions (dealer_id, test, id) where rejected_at is null;

-- What many share tells nobody apart: learned from what comes, or the dealer's own.
create table customer_stop_values (
  dealer_id uuid not null,
  test boolean not null,
  kind text not null,
  value text collate "C" not null,
  learned_at timestamptz not null,
  primary key (dealer_id, test, kind, value)
);

-- The systems that a key may write as.
alter table api_keys add column sources text[] not null default '{}';
