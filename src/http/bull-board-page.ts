const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
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
