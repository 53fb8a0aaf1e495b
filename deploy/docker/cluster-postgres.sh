#!/bin/sh
# The role that the servers are, and its database. Not a superuser: the wall between accounts does not hold for those.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --set password="$(cat /run/secrets/server_password)" <<'SQL'
CREATE ROLE holdfast LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE holdfast OWNER holdfast;
SQL
