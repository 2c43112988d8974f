"""The only door to the chain: compiling, deploying, sending, reading. Nothing else imports web3."""
