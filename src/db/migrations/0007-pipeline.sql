alter table dealers add column response_target_minutes integer not null default 30 check (response_target_minutes between 1 and 10080);
-- When the lead was first taken up.
alter table leads add column responded_at timestamptz;
-- The status of the lead after the event; null when it was created, for then it is new.
alter table events add column status text;

-- Leads of the same person: by the first phone number that could be read, and by the first e-mail address.
create index leads_phone on leads (dealer_id, (data #>> '{customer,phones,0,e164}'), id) where data #>> '{customer,phones,0,e164}' is not null;
create index leads_email on leads (dealer_id, lower(btrim(data #>> '{customer,emails,0,address}')), id) where lower(btrim(data #>> '{customer,emails,0,address}')) is not null;
