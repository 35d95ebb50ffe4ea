import { raw } from 'hono/html';
import { markupOf } from '../view.ts';

/** A page that leads on by itself, with a link for browsers that do not: the next request is one of our own site. */
export const ContinuePage = ({ to }: { readonly to: string }) => {
  const document = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="refresh" content={`0;url=${to}`} />
        <title>Signed in · notafter</title>
      </head>
      <body>
        <p>
          You are signed in. <a href={to}>Go to the console</a>
        </p>
      </body>
    </html>
  );
  // The markup was made by the line above, which escaped what came from outside.
  return raw(`<!doctype html>${markupOf(document)}`);
};
