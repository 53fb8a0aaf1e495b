-- A second wall: whatever a statement asks for, it meets the rows of one account only, the one that the server has named in
-- `holdfast.account`; without a name it meets none. The owner of the tables is held to it as well.

CREATE FUNCTION holdfast_account() RETURNS BIGINT STABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN current_setting('holdfast.account', true) ~ '^[0-9]{1,18}$'
    THEN current_setting('holdfast.account', true)::bigint END;

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts USING (number = (SELECT holdfast_account()));
ALTER TABLE ledgers ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledgers FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON ledgers USING (account = (SELECT holdfast_account()));
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON users USING (account = (SELECT holdfast_account()));
ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE clients FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON clients USING (account = (SELECT holdfast_account()));
ALTER TABLE tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tokens USING (account = (SELECT holdfast_account()));
ALTER TABLE records ENABLE ROW LEVEL SECURITY;
ALTER TABLE records FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON records USING (account = (SELECT holdfast_account()));
ALTER TABLE record_parents ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_parents FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON record_parents USING (account = (SELECT holdfast_account()));
ALTER TABLE record_ancestors ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_ancestors FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON record_ancestors USING (account = (SELECT holdfast_account()));
ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON attachments USING (account = (SELECT holdfast_account()));
ALTER TABLE attachment_properties ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachment_properties FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON attachment_properties USING (account = (SELECT holdfast_account()));
ALTER TABLE attachment_names ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachment_names FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON attachment_names USING (account = (SELECT holdfast_account()));
ALTER TABLE versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE versions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON versions USING (account = (SELECT holdfast_account()));
ALTER TABLE blobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE blobs FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON blobs USING (account = (SELECT holdfast_account()));
ALTER TABLE links ENABLE ROW LEVEL SECURITY;
ALTER TABLE links FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON links USING (account = (SELECT holdfast_account()));
ALTER TABLE folders ENABLE ROW LEVEL SECURITY;
ALTER TABLE folders FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON folders USING (account = (SELECT holdfast_account()));
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON events USING (account = (SELECT holdfast_account()));
ALTER TABLE answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE answers FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON answers USING (account = (SELECT holdfast_account()));
ALTER TABLE renditions ENABLE ROW LEVEL SECURITY;
ALTER TABLE renditions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON renditions USING (account = (SELECT holdfast_account()));
ALTER TABLE media_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON media_facts USING (account = (SELECT holdfast_account()));

-- Before an account is known, the server names `*`, and may then look, and change nothing, in these tables alone: accounts
-- by slug, users by e-mail, clients by name or id, tokens by digest, and contents by the place where their bytes lie.
CREATE POLICY found ON accounts FOR SELECT USING ((SELECT current_setting('holdfast.account', true)) = '*');
CREATE POLICY found ON users FOR SELECT USING ((SELECT current_setting('holdfast.account', true)) = '*');
CREATE POLICY found ON clients FOR SELECT USING ((SELECT current_setting('holdfast.account', true)) = '*');
CREATE POLICY found ON tokens FOR SELECT USING ((SELECT current_setting('holdfast.account', true)) = '*');
CREATE POLICY found ON blobs FOR SELECT USING ((SELECT current_setting('holdfast.account', true)) = '*');

-- A token that is used up is locked when it is found, which is a right to update; what the update would write is refused.
CREATE POLICY held ON tokens FOR UPDATE USING ((SELECT current_setting('holdfast.account', true)) = '*')
WITH CHECK (FALSE);
