-- What a subject may send only once, with what it was answered. kind 'reference': the lead's external reference, for
-- ever. kind 'idempotency': an Idempotency-Key, with the hash of its request, until it expires; the one after that
-- takes it over.
alter table lead_claims drop constraint lead_claims_kind_check;
alter table lead_claims
  add constraint lead_claims_kind_check check (kind in ('reference', 'idempotency')),
  add column request_hash bytea,
  add column duplicate boolean not null default false,
  add column received_at timestamptz,
  add column warnings jsonb,
  add column expires_at timestamptz not null default 'infinity';
update lead_claims c
set received_at = l.received_at, warnings = l.warnings
from leads l
where l.dealer_id = c.dealer_id and l.id = c.lead_id;
alter table lead_claims alter column received_at set not null, alter column warnings set not null;
create index lead_claims_expiry on lead_claims (expires_at) where expires_at < 'infinity';

-- Leads that came in another form than ours, byte for byte.
create table lead_originals (
  dealer_id uuid not null,
  lead_id uuid not null,
  media_type text not null,
  content bytea not null,
  primary key (dealer_id, lead_id),
  foreign key (dealer_id, lead_id) references leads
);
