import { domainToASCII } from 'node:url';

/** What a driver needs for TLS to PostgreSQL; `host` is the name or address that the certificate must be for. */
export interface ServerTls {
  readonly host: string;
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
  readonly checkServerIdentity?: () => undefined;
}

export interface DatabaseAddress {
  /** The URL without what it says of TLS, which each driver reads in its own way. */
  readonly url: string;
  readonly ssl: ServerTls | false;
}

const modes: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'];

/** What is wrong with the TLS settings of a `postgres:` URL, as the end of a sentence; null where nothing is. */
export const tlsComplaint = (url: string): string | null => {
  const { searchParams } = new URL(url);
  const mode = searchParams.get('sslmode');
  if (mode !== null && !modes.includes(mode)) return `must have an sslmode of ${modes.join(', ')}`;
  const other = ['sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'].find((name) => searchParams.has(name));
  if (other === undefined) return null;
  return `must not have ${other}: the CA of the server goes into DATABASE_CA_FILE`;
};

const plainHost = (hostname: string): string => {
  const bare = hostname.replaceAll(/^\[|\]$/g, '');
  return domainToASCII(bare) === '' ? bare : domainToASCII(bare);
};

/**
 * Reads how a connection is to be secured, so that both drivers do the same. `sslmode` means what it means to libpq:
 * `require` encrypts, `verify-ca` also checks the chain, `verify-full` also the name. With a CA and without a mode, and with a
 * CA and `require`, the connection is checked in full. Without both it is in the clear.
 *
 * @param ca PEM of the CAs that are trusted in place of the system's
 */
export const databaseAddress = (url: string, ca?: string): DatabaseAddress => {
  const bare = new URL(url);
  const mode = bare.searchParams.get('sslmode') ?? (ca === undefined ? 'disable' : 'verify-full');
  bare.searchParams.delete('sslmode');
  if (mode === 'disable') return { url: bare.href, ssl: false };
  const checked = mode !== 'require' || ca !== undefined;
  return {
    url: bare.href,
    ssl: {
      host: plainHost(bare.hostname),
      rejectUnauthorized: checked,
      ...(ca !== undefined && { ca }),
      ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    },
  };
};
