// The package's script makes a few style elements that are always the same; each is let in by its hash.
const ownStyles = [
  // The logo of Redis.
  'sha256-r2N1TB/gHbBtBZFKg7ejmq1acVSREzucTAEw6ga4hoU=',
  // Menus and dialogs.
  'sha256-kLmvWqfziFavKtqHqRsb90f006UAK2Dmd0It5Iz2KFA=',
  // The editor of job data: empty first, then whole.
  'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  'sha256-CNWOdxiJSJ+FWufP7iCptJbPN9jIAIu+yamp1kzPj3w=',
];

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' ${ownStyles.map((hash) => `'${hash}'`).join(' ')}`,
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const outsideLinks = /<link\b[^>]*\bhref="https?:[^>]*>/gi;
const styleBlocks = /<style\b[^>]*>[\s\S]*?<\/style>/gi;
const styleAttributes = /(<[a-z][^<>]*?)\sstyle="[^"]*"/gi;

/** The package's page without what the policy would refuse: fonts from elsewhere, and the inline styles of its splash. */
export const tamePage = (html: string): string =>
  html.replaceAll(outsideLinks, '').replaceAll(styleBlocks, '').replaceAll(styleAttributes, '$1');

// Names of built files hold the hash of their content.
const hashed = /\/static\/(?:js|css)\//;

/** An answer of the package as it leaves us: a page tamed, and with the headers of the console's own pages. */
export const dressed = async (answer: Response, path: string): Promise<Response> => {
  const headers = new Headers(answer.headers);
  headers.set('Content-Security-Policy', policy);
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('Referrer-Policy', 'same-origin');
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  headers.set('X-Robots-Tag', 'noindex');
  const keep = answer.ok && hashed.test(path);
  headers.set('Cache-Control', keep ? 'private, max-age=31536000, immutable' : 'no-store');
  if (headers.get('Content-Type')?.startsWith('text/html') !== true)
    return new Response(answer.body, { status: answer.status, headers });
  headers.delete('Content-Length');
  return new Response(tamePage(await answer.text()), { status: answer.status, headers });
};
