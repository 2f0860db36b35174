// A wallet that is not ours takes up an offer: OpenID4VCI 1.0 with @openid4vc/openid4vci.
//
// stdin:  {"offer": uri, "code": text, "configuration": id, "keys": [{"alg", "by": "did:key" | "did:jwk" | "jwk"}]}
// stdout: {"version", "txCode", "credentials": [document or text], "holders": [did], "notified": bool}
import {readFileSync} from 'node:fs';
import {createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign} from 'node:crypto';
import {clientAuthenticationAnonymous, setGlobalConfig} from '@openid4vc/oauth2';
import {Openid4vciClient} from '@openid4vc/openid4vci';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';

const asked = JSON.parse(readFileSync(0, 'utf8'));

// The service under test listens without TLS on this machine.
setGlobalConfig({allowInsecureUrls: true});

const base64url = value => Buffer.from(value).toString('base64url');

async function makeKey({alg, by}) {
  const {privateKey, publicKey} = alg === 'ES256' ?
    generateKeyPairSync('ec', {namedCurve: 'P-256'}) : generateKeyPairSync('ed25519');
  const {kty, crv, x, y} = publicKey.export({format: 'jwk'});
  const jwk = y ? {crv, kty, x, y} : {crv, kty, x};
  const didJwk = `did:jwk:${base64url(JSON.stringify(jwk))}`;
  if(by === 'did:key') {
    const multikey = await Ed25519Multikey.fromJwk({jwk: {...jwk, alg: undefined}});
    const did = `did:key:${multikey.publicKeyMultibase}`;
    const didUrl = `${did}#${multikey.publicKeyMultibase}`;
    return {privateKey, jwk, did, signer: {method: 'did', alg, didUrl}};
  }
  const signer = by === 'jwk' ? {method: 'jwk', alg, publicJwk: jwk} :
    {method: 'did', alg, didUrl: `${didJwk}#0`};
  return {privateKey, jwk, did: didJwk, signer};
}

const keys = [];
for(const one of asked.keys) {
  keys.push(await makeKey(one));
}
const keyOf = new Map(keys.map(key => [key.signer, key]));

const client = new Openid4vciClient({
  callbacks: {
    fetch,
    hash: (data, algorithm) => createHash(algorithm.replace('-', '')).update(data).digest(),
    generateRandom: count => randomBytes(count),
    clientAuthentication: clientAuthenticationAnonymous(),
    verifyJwt: () => { throw new Error('verifyJwt is not needed here'); },
    decryptJwe: () => { throw new Error('decryptJwe is not needed here'); },
    encryptJwe: () => { throw new Error('encryptJwe is not needed here'); },
    signJwt: (signer, {header, payload}) => {
      const {privateKey, jwk} = keyOf.get(signer);
      const data = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}`;
      const signature = signer.alg === 'ES256' ?
        sign('sha256', Buffer.from(data), {key: privateKey, dsaEncoding: 'ieee-p1363'}) :
        sign(null, Buffer.from(data), createPrivateKey(privateKey.export({type: 'pkcs8', format: 'pem'})));
      return {jwt: `${data}.${base64url(signature)}`, signerJwk: jwk};
    }
  }
});

const credentialOffer = await client.resolveCredentialOffer(asked.offer);
const issuerMetadata = await client.resolveIssuerMetadata(credentialOffer.credential_issuer);
const grant = credentialOffer.grants['urn:ietf:params:oauth:grant-type:pre-authorized_code'];
const {accessTokenResponse} = await client.retrievePreAuthorizedCodeAccessTokenFromOffer({
  credentialOffer, issuerMetadata, txCode: asked.code
});
const {c_nonce: nonce} = await client.requestNonce({issuerMetadata});
const jwts = [];
for(const {signer} of keys) {
  const {jwt} = await client.createCredentialRequestJwtProof({
    issuerMetadata, signer, nonce, issuedAt: new Date(), credentialConfigurationId: asked.configuration
  });
  jwts.push(jwt);
}
const {credentialResponse} = await client.retrieveCredentials({
  issuerMetadata, accessToken: accessTokenResponse.access_token,
  credentialConfigurationId: asked.configuration, proofs: {jwt: jwts}
});
const notified = await client.sendNotification({
  issuerMetadata, accessToken: accessTokenResponse.access_token,
  notification: {
    notificationId: credentialResponse.notification_id, event: 'credential_accepted'
  }
});
process.stdout.write(JSON.stringify({
  version: issuerMetadata.originalDraftVersion,
  txCode: grant.tx_code,
  credentials: credentialResponse.credentials.map(one => one.credential),
  holders: keys.map(key => key.did),
  notified: notified.ok
}));
