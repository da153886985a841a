import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { type FormEvent, StrictMode, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import './explorer.css';
import { createFetcher, endpoint } from './fetcher';

const welcome = `# Sluice's GraphQL API. Everything in the console is available here.
#
# Paste an API token above, or use the session of the console when you are
# logged in there. The book symbol on the left opens the documentation;
# Ctrl-Space completes, Ctrl-Enter runs.

{
  __typename
}
`;

/** The explorer: a line for the token, and GraphiQL below it. */
function Explorer() {
  const url = endpoint();
  // The token lives in this page only: a reload forgets it.
  const [token, setToken] = useState('');
  const [typed, setTyped] = useState('');
  const fetcher = useMemo(() => createFetcher(url, token), [url, token]);

  function use(event: FormEvent) {
    event.preventDefault();
    setToken(typed);
  }

  return (
    <>
      <form className="bar" onSubmit={use}>
        <strong>Sluice</strong>
        <span className="endpoint" title="GraphQL endpoint">
          {url}
        </span>
        <label>
          Token
          <input
            type="password"
            name="token"
            autoComplete="off"
            spellCheck={false}
            placeholder="Authorization: Bearer …"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <button type="submit" disabled={typed === token}>
          Use
        </button>
        <output>{token === '' ? 'no token: console session, if any' : 'token in use'}</output>
      </form>
      {/* A new fetcher makes it ask for the schema again. */}
      <GraphiQL fetcher={fetcher} defaultQuery={welcome} isHeadersEditorEnabled showPersistHeadersSettings={false} shouldPersistHeaders={false} />
    </>
  );
}

createRoot(document.getElementById('explorer')!).render(
  <StrictMode>
    <Explorer />
  </StrictMode>,
);
