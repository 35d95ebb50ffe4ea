-- The two roles of notafter and its database; run once by a superuser. One role owns the tables and migrates, the other serves
-- and works: it reads and writes rows, and changes no table. The passwords come from the environment:
--
--   OWNER_PASSWORD=… APP_PASSWORD=… psql --no-psqlrc --set=ON_ERROR_STOP=1 --file=ops/postgres/roles.sql postgres
--   DATABASE_URL=postgres://notafter_owner:…@HOST/notafter notafter migrate --grant-to notafter
--   DATABASE_URL=postgres://notafter:…@HOST/notafter notafter serve
--
-- Other names: --set=owner=… --set=app=… --set=database=…
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\if :{?owner} \else \set owner notafter_owner \endif
\if :{?app} \else \set app notafter \endif
\if :{?database} \else \set database notafter \endif

CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE :"app" LOGIN PASSWORD :'app_password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE DATABASE :"database" OWNER :"owner";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"app";
\connect :"database"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
