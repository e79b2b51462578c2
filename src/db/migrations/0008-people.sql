-- Somebody who was invited has no password yet.
alter table users alter column password_hash drop not null;

-- What a person chooses a password with, once. A newer link takes the place of the one before.
create table password_links (
  dealer_id uuid not null,
  user_id uuid not null,
  hash bytea not null,
  secret_version text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (dealer_id, user_id),
  foreign key (dealer_id, user_id) references users (dealer_id, id)
);

-- Where a session was begun. Sessions from before say nothing.
alter table sessions add column address text, add column user_agent text;
create index sessions_user on sessions (dealer_id, user_id, signed_in_at);
