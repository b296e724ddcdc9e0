// The operations of the client matrix through the Node client; one line of JSON for each, {op, result}.

import { operations } from './connection.mjs';
// In the order of the script.
import './objects.mjs';
import './patches.mjs';
import './lists.mjs';
import './watches.mjs';
import './lives.mjs';
import './claims.mjs';
import './access.mjs';
import './kinds.mjs';
import './namespaces.mjs';

for (const [name, run] of operations) {
  let result;
  try {
    result = await run();
  } catch (error) {
    result = { error: String(error.body ?? error.stack ?? error) };
  }
  console.log(JSON.stringify({ op: name, result }));
}
// Sockets that are kept alive must not keep the program.
process.exit(0);
