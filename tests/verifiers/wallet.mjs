// A wallet that is not ours: reads an OpenID4VP request with @openid4vc/openid4vp, makes the
// presentation with @digitalbazaar/vc, and posts it.
//
// stdin:  {"seed": hex, "only": "holder"}, which answers the wallet's DID, or
//         {"uri": text, "credentials": [document], "seed": hex, "challenge"?: text, "domain"?: text}
// stdout: {"client", "prefix", "query", "status", "answer", "holder"}
import {readFileSync} from 'node:fs';
import {createHash, randomBytes} from 'node:crypto';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {setGlobalConfig} from '@openid4vc/oauth2';
import {Openid4vpClient} from '@openid4vc/openid4vp';

const asked = JSON.parse(readFileSync(0, 'utf8'));

const key = await Ed25519Multikey.generate({seed: Buffer.from(asked.seed, 'hex')});
const did = `did:key:${key.publicKeyMultibase}`;
key.controller = did;
key.id = `${did}#${key.publicKeyMultibase}`;

if(asked.only === 'holder') {
  process.stdout.write(JSON.stringify(did));
  process.exit(0);
}

// The service under test listens without TLS on this machine.
setGlobalConfig({allowInsecureUrls: true});
const refuse = name => () => { throw new Error(`${name} is not needed here`); };
const client = new Openid4vpClient({
  callbacks: {
    fetch,
    hash: (data, algorithm) => createHash(algorithm.replace('-', '')).update(data).digest(),
    generateRandom: count => randomBytes(count),
    verifyJwt: refuse('verifyJwt'),
    signJwt: refuse('signJwt'),
    decryptJwe: refuse('decryptJwe'),
    encryptJwe: refuse('encryptJwe'),
    getX509CertificateMetadata: refuse('getX509CertificateMetadata')
  }
});
const parsed = client.parseOpenid4vpAuthorizationRequest({authorizationRequest: asked.uri});
const resolved = await client.resolveOpenId4vpAuthorizationRequest({
  authorizationRequestPayload: parsed.params,
  disableOriginValidation: true
});
const payload = resolved.authorizationRequestPayload;
const query = resolved.dcql.query.credentials[0];

async function documentLoader(url) {
  if(url.startsWith('did:key:')) {
    const exported = await key.export({publicKey: true, includeContext: true});
    return {contextUrl: null, documentUrl: url, document: exported, tag: 'static'};
  }
  if(url in (asked.documents ?? {})) {
    return {contextUrl: null, documentUrl: url, document: asked.documents[url], tag: 'static'};
  }
  return vc.defaultDocumentLoader(url);
}

const presentation = await vc.signPresentation({
  presentation: vc.createPresentation({
    verifiableCredential: asked.credentials, holder: did, version: 2.0, verify: false
  }),
  suite: new DataIntegrityProof({signer: key.signer(), cryptosuite}),
  challenge: asked.challenge ?? payload.nonce,
  domain: asked.domain ?? payload.client_id,
  documentLoader
});

const {authorizationResponsePayload} = await client.createOpenid4vpAuthorizationResponse({
  authorizationRequestPayload: payload,
  authorizationResponsePayload: {vp_token: {[query.id]: [presentation]}}
});
const sent = await client.submitOpenid4vpAuthorizationResponse({
  authorizationRequestPayload: payload,
  authorizationResponsePayload
});
process.stdout.write(JSON.stringify({
  client: resolved.client.identifier,
  prefix: resolved.client.prefix,
  query,
  status: sent.response.status,
  answer: await sent.response.clone().json().catch(() => null),
  holder: did
}));
