// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Scene} from "./support/Scene.sol";
import {IParticipantRegistry} from "../src/interfaces/IParticipantRegistry.sol";
import {MockStablecoin} from "../src/MockStablecoin.sol";
import {ParticipantRegistry} from "../src/ParticipantRegistry.sol";

/// @notice The registry of meters, and the stablecoin that must stay off real chains.
contract RegistryTest is Scene {
    bytes32 private constant METER = "meter";

    function test_RegisterAndReplaceTheKey() public {
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterRegistered(stranger, METER, agent);
        registry.register(stranger, METER, agent);
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterKeyChanged(METER, operator);
        registry.setMeterKey(METER, operator);
        (address account, address key) = registry.meters(METER);
        vm.assertEq(account, stranger);
        vm.assertEq(key, operator);
    }

    function test_AnAccountMayHaveSeveralMeters() public {
        registry.register(_owner(0), METER, agent);
        (address first,) = registry.meters(METER);
        (address second,) = registry.meters(_meterId(0));
        vm.assertEq(first, second);
    }

    function test_RevertWhen_TheMeterIsTaken() public {
        vm.expectRevert(
            abi.encodeWithSelector(IParticipantRegistry.MeterTaken.selector, _meterId(0), _owner(0))
        );
        registry.register(stranger, _meterId(0), agent);
    }

    function test_RevertWhen_TheMeterIsUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.UnknownMeter.selector, METER));
        registry.setMeterKey(METER, agent);
    }

    function test_RevertWhen_SomethingIsZero() public {
        _expectZero("account");
        registry.register(address(0), METER, agent);
        _expectZero("meterId");
        registry.register(stranger, 0, agent);
        _expectZero("meterKey");
        registry.register(stranger, METER, address(0));
        _expectZero("meterKey");
        registry.setMeterKey(METER, address(0));
        _expectZero("admin");
        new ParticipantRegistry(address(0));
    }

    function test_RevertWhen_CallerIsNotTheRegistrar() public {
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, registry.REGISTRAR_ROLE()
        );
        vm.expectRevert(refusal);
        vm.prank(stranger);
        registry.register(stranger, METER, agent);
        vm.expectRevert(refusal);
        vm.prank(stranger);
        registry.setMeterKey(_meterId(0), agent);
    }

    function test_StablecoinHasSixDecimalsAndAnyoneMints() public {
        vm.prank(stranger);
        token.mint(stranger, 1_000_000);
        vm.assertEq(token.balanceOf(stranger), 1_000_000);
        vm.assertEq(token.decimals(), 6);
    }

    function test_RevertWhen_TheStablecoinIsDeployedOnAMainnet() public {
        uint24[4] memory mainnets = [uint24(1), 10, 137, 534352];
        for (uint256 i = 0; i < mainnets.length; ++i) {
            vm.chainId(mainnets[i]);
            vm.expectRevert(
                abi.encodeWithSelector(MockStablecoin.MainnetRefused.selector, uint256(mainnets[i]))
            );
            new MockStablecoin();
        }
    }

    function _expectZero(string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.ZeroValue.selector, field));
    }
}
