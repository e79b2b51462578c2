-- An e-mail address belongs to whoever has chosen a password by the link to it, or was given one by the operator. Until
-- then other dealers may invite it, too: an invitation neither takes an address nor tells whether it is taken.
create unique index users_proven_email on users (lower(email)) where password_hash is not null;
create index users_by_email on users (lower(email));
-- The version before asks for this name when an address is taken.
drop index users_email;
create unique index users_email on users (dealer_id, lower(email));

-- What the operator made is known to two: its person chooses another one when they first sign in in the dashboard.
alter table users add column password_temporary boolean not null default false;
