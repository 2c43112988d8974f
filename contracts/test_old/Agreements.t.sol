// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./support/Scene.sol";
import {Wallet} from "./support/Wallet.sol";
import {Agreements} from "../src/Agreements.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Batch, MeterInput, SignedOrder} from "../src/interfaces/IEnergyExchange.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../src/libraries/OrderTypes.sol";

/// @notice Mandates, supply agreements, cancellations, contract wallets: before and in a settlement.
contract AgreementsTest is Scene {
    // Mandates

    function test_RegisterMandate() public {
        Mandate memory mandate = _mandate(1);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashMandate(mandate));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MandateRegistered(_owner(1), agent, 300_000, 60_000, 5_000, FAR);
        exchange.registerMandate(mandate, signature);
        Agreements.MandateTerms memory terms = exchange.mandateOf(_owner(1), agent);
        vm.assertEq(terms.maxBuyPrice, 300_000);
        vm.assertEq(terms.minSellPrice, 60_000);
        vm.assertEq(terms.maxWhPerDay, 5_000);
        vm.assertEq(terms.validUntil, FAR);
        vm.assertEq(terms.nextNonce, 1);
        vm.assertEq(terms.endsAt, FAR);
    }

    function test_RevertWhen_AMandateIsNotSignedByItsOwner() public {
        Mandate memory mandate = _mandate(1);
        bytes memory signature = _sign(AGENT_KEY, exchange.hashMandate(mandate));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidMandateSignature.selector, _owner(1), agent)
        );
        exchange.registerMandate(mandate, signature);
        mandate.owner = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidMandateSignature.selector, address(0), agent)
        );
        exchange.registerMandate(mandate, new bytes(65));
    }

    function test_RevertWhen_AMandateNamesNobody() public {
        Mandate memory mandate = _mandate(1);
        mandate.agent = address(0);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.ZeroAddress.selector, "agent"));
        exchange.registerMandate(mandate, "");
    }

    function test_RevertWhen_AMandateIsReplayed() public {
        Mandate memory mandate = _mandate(1);
        _registerMandate(1, mandate);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashMandate(mandate));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StaleNonce.selector, _owner(1), 0, 1));
        exchange.registerMandate(mandate, signature);
    }

    function test_AMandateMayBeWidenedAtOnceAndNarrowedOnceItBindsNoBatch() public {
        Mandate memory mandate = _mandate(1);
        _registerMandate(1, mandate);
        (mandate.maxWhPerDay, mandate.nonce) = (6_000, 1);
        _registerMandate(1, mandate);
        (mandate.maxBuyPrice, mandate.nonce) = (200_000, 2);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashMandate(mandate));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), FAR + WITHDRAWAL_DELAY)
        );
        exchange.registerMandate(mandate, signature);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        uint256 until = block.timestamp + exchange.NOTICE() + WITHDRAWAL_DELAY;
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), until));
        exchange.registerMandate(mandate, signature);
        vm.warp(until + 1);
        exchange.registerMandate(mandate, signature);
        vm.assertEq(exchange.mandateOf(_owner(1), agent).maxBuyPrice, 200_000);
    }

    function test_RevokeMandate() public {
        _registerMandate(1, _mandate(1));
        uint64 endsAt = uint64(block.timestamp) + exchange.NOTICE();
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MandateRevoked(_owner(1), agent, endsAt);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.assertEq(exchange.mandateOf(_owner(1), agent).endsAt, endsAt);
        vm.warp(endsAt);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoMandate.selector, _owner(1), agent));
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
    }

    function test_AgentTradesInsideItsMandate() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _agentsBatch(_order(1, OrderTypes.BUY, 1_000, 0));
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.assertEq(exchange.mandateUsage(_owner(1), agent, START / 1 days), 1_000);
        vm.assertEq(exchange.balanceOf(_owner(1)), OPENING - 203_000);
    }

    function test_RevocationAfterCommitmentComesTooLate() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _agentsBatch(_order(1, OrderTypes.BUY, 1_000, 0));
        _commit(batch);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(END);
        _settle(batch, _readings());
    }

    function test_RevertWhen_AMandateWasRevokedBeforeCommitment() public {
        _registerMandate(1, _mandate(1));
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(GATE + exchange.NOTICE());
        _refuseAgent(
            _order(1, OrderTypes.BUY, 1_000, 0), _orderAndAgent(IEnergyExchange.MandateEnded.selector)
        );
    }

    function test_RevertWhen_AMandateExpiresBeforeDelivery() public {
        Mandate memory mandate = _mandate(1);
        mandate.validUntil = START - 1;
        _registerMandate(1, mandate);
        _refuseAgent(
            _order(1, OrderTypes.BUY, 1_000, 0), _orderAndAgent(IEnergyExchange.MandateExpired.selector)
        );
    }

    function test_RevertWhen_ABidExceedsTheMandate() public {
        _registerMandate(1, _mandate(1));
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.limitPrice = 300_001;
        _refuseAgent(order, _orderAndAgent(IEnergyExchange.MandatePriceExceeded.selector));
    }

    function test_RevertWhen_AnOfferIsBelowTheMandate() public {
        _registerMandate(0, _mandate(0));
        Batch memory batch = _batch();
        Order memory order = _order(0, OrderTypes.SELL, 1_000, 0);
        order.limitPrice = 59_999;
        batch.orders[0] = _signed(order, AGENT_KEY);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.MandatePriceExceeded.selector, 0, agent));
    }

    function test_RevertWhen_TheDaysEnergyExceedsTheMandate() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxWhPerDay = 999;
        _registerMandate(1, mandate);
        _refuseAgent(
            _order(1, OrderTypes.BUY, 1_000, 0),
            abi.encodeWithSelector(IEnergyExchange.MandateDailyCapExceeded.selector, 1, agent, 1_000, 999)
        );
    }

    // Supply agreements

    function test_RegisterSupply() public {
        registry.register(_owner(2), _meterId(2), vm.addr(_meterKey(2)));
        SupplyAgreement memory agreement = _supply(2);
        bytes memory signature = _sign(_ownerKey(2), exchange.hashSupplyAgreement(agreement));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SupplyRegistered(_owner(2), _meterId(2), 400_000, 50_000, FAR);
        exchange.registerSupply(agreement, signature);
        Agreements.SupplyTerms memory terms = exchange.supplyOf(_meterId(2));
        vm.assertEq(terms.maxImportPrice, 400_000);
        vm.assertEq(terms.minFeedInPrice, 50_000);
        vm.assertEq(terms.validUntil, FAR);
        vm.assertEq(terms.nextNonce, 1);
        vm.assertEq(terms.endsAt, FAR);
    }

    function test_RevertWhen_ASupplyAgreementIsForAnothersMeter() public {
        SupplyAgreement memory agreement = _supply(1);
        agreement.meterId = _meterId(0);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashSupplyAgreement(agreement));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.MeterNotOwned.selector, _meterId(0), _owner(1))
        );
        exchange.registerSupply(agreement, signature);
        (agreement.owner, agreement.meterId) = (address(0), _meterId(7));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.MeterNotOwned.selector, _meterId(7), address(0))
        );
        exchange.registerSupply(agreement, signature);
    }

    function test_RevertWhen_ASupplyAgreementIsNotSignedByItsOwner() public {
        SupplyAgreement memory agreement = _supply(1);
        agreement.nonce = 1;
        bytes memory signature = _sign(STRANGER_KEY, exchange.hashSupplyAgreement(agreement));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidSupplySignature.selector, _owner(1), _meterId(1))
        );
        exchange.registerSupply(agreement, signature);
    }

    function test_RevertWhen_ASupplyAgreementIsReplayedOrNarrowed() public {
        SupplyAgreement memory agreement = _supply(1);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashSupplyAgreement(agreement));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StaleNonce.selector, _owner(1), 0, 1));
        exchange.registerSupply(agreement, signature);
        (agreement.nonce, agreement.maxImportPrice) = (1, 399_999);
        signature = _sign(_ownerKey(1), exchange.hashSupplyAgreement(agreement));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), FAR + WITHDRAWAL_DELAY)
        );
        exchange.registerSupply(agreement, signature);
    }

    function test_EndSupply() public {
        uint64 endsAt = GATE + exchange.NOTICE();
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SupplyEnded(_owner(1), _meterId(1), endsAt);
        vm.prank(_owner(1));
        exchange.endSupply(_meterId(1));
        vm.warp(endsAt);
        bytes memory refusal =
            abi.encodeWithSelector(IEnergyExchange.NoSupply.selector, _owner(1), _meterId(1));
        vm.expectRevert(refusal);
        vm.prank(_owner(1));
        exchange.endSupply(_meterId(1));
        _refuse(_batch(), abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, 1, _owner(1)));
    }

    function test_EndingSupplyAfterCommitmentComesTooLate() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.prank(_owner(1));
        exchange.endSupply(_meterId(1));
        vm.warp(END);
        _settle(batch, _readings());
    }

    function test_RevertWhen_AStrangerEndsASupply() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoSupply.selector, stranger, _meterId(1)));
        vm.prank(stranger);
        exchange.endSupply(_meterId(1));
    }

    // Cancellation

    function test_CancelNonce() public {
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.NonceCancelled(_owner(1), 7, GATE + exchange.NOTICE());
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), 7);
        vm.assertTrue(exchange.isNonceUsed(_owner(1), 7));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NonceUnavailable.selector, _owner(1), 7));
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), 7);
    }

    function test_AnAgentMayCancel() public {
        _registerMandate(1, _mandate(1));
        vm.prank(agent);
        exchange.cancelNonce(_owner(1), 7);
        vm.assertTrue(exchange.isNonceUsed(_owner(1), 7));
    }

    function test_RevertWhen_AStrangerCancels() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NotOwnerOrAgent.selector, _owner(1), stranger));
        vm.prank(stranger);
        exchange.cancelNonce(_owner(1), 7);
    }

    function test_RevertWhen_AnOrderWasCancelledBeforeCommitment() public {
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), 0);
        vm.warp(GATE + exchange.NOTICE());
        _refuse(_batch(), abi.encodeWithSelector(IEnergyExchange.OrderCancelled.selector, 1));
    }

    function test_CancellationWithoutNoticeCannotBlockABatch() public {
        Batch memory batch = _batch();
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), 0);
        _commit(batch);
        vm.warp(END);
        _settle(batch, _readings());
    }

    // Contract wallets

    function test_ContractWalletTrades() public {
        (Wallet wallet, Batch memory batch, MeterInput[] memory readings) = _walletBatch();
        _commitAndDeliver(batch);
        _settle(batch, readings);
        vm.assertEq(exchange.balanceOf(address(wallet)), OPENING - 203_000);
    }

    function test_RevertWhen_AContractWalletDidNotSign() public {
        (, Batch memory batch, MeterInput[] memory readings) = _walletBatch();
        batch.orders[1] = _signed(batch.orders[1].order, STRANGER_KEY);
        _commitAndDeliver(batch);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.OrderNotAuthorised.selector, 1, stranger));
        _settle(batch, readings);
    }

    function test_ARecordedOrderStandsWhateverTheWalletSaysLater() public {
        (Wallet wallet, Batch memory batch, MeterInput[] memory readings) = _walletBatch();
        SignedOrder memory signed = batch.orders[1];
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.OrderRecorded(address(wallet), exchange.hashOrder(signed.order));
        exchange.recordOrder(signed.order, signed.signature);
        _commitAndDeliver(batch);
        wallet.turnHostile();
        _settle(batch, readings);
    }

    function test_RevertWhen_RecordingAnUnsignedOrder() public {
        SignedOrder memory signed = _signed(_order(1, OrderTypes.BUY, 1_000, 0), STRANGER_KEY);
        bytes32 digest = exchange.hashOrder(signed.order);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidOrderSignature.selector, _owner(1), digest)
        );
        exchange.recordOrder(signed.order, signed.signature);
    }

    /// @dev As EIP-7702 allows: an account that signed with its key turns into a contract that consents to nothing.
    function test_CodePutOnTheOwnersAccountLaterChangesNothing() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        vm.etch(_owner(1), hex"fe");
        _settle(batch, _readings());
    }

    // Shorthands

    function _agentsBatch(Order memory order) private view returns (Batch memory batch) {
        batch = _batch();
        batch.orders[1] = _signed(order, AGENT_KEY);
    }

    function _refuseAgent(Order memory order, bytes memory refusal) private {
        _refuse(_agentsBatch(order), refusal);
    }

    function _orderAndAgent(bytes4 selector) private view returns (bytes memory) {
        return abi.encodeWithSelector(selector, 1, agent);
    }

    function _refuse(Batch memory batch, bytes memory refusal) private {
        _commitAndDeliver(batch);
        MeterInput[] memory readings = _readings();
        vm.expectRevert(refusal);
        _settle(batch, readings);
    }

    /// @dev The buyer is member 2, a contract wallet with the key of its owner.
    function _walletBatch()
        private
        returns (Wallet wallet, Batch memory batch, MeterInput[] memory readings)
    {
        wallet = new Wallet(_owner(2));
        registry.register(address(wallet), _meterId(2), vm.addr(_meterKey(2)));
        SupplyAgreement memory agreement = _supply(2);
        agreement.owner = address(wallet);
        _registerSupply(2, agreement);
        _fund(address(wallet), OPENING);
        Order memory order = _order(2, OrderTypes.BUY, 1_000, 0);
        order.owner = address(wallet);
        batch = _batch();
        batch.orders[1] = _signed(order, _ownerKey(2));
        batch.meterIds[1] = _meterId(2);
        readings = _readings();
        readings[1] = _reading(2, 1_000, 0);
    }
}
