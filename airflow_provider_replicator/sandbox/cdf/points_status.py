# SPDX-License-Identifier: Apache-2.0
"""Status codes of datapoints: OPC UA's numbers and names, as far as CDF accepts them."""

from __future__ import annotations

GOOD, UNCERTAIN, BAD = 0, 0x4000_0000, 0x8000_0000

#: Runs of sub codes: the first number, then the names in order ("-": the category itself).
_NAMES = {
    ("Good", GOOD): """
    0 -
    45 SubscriptionTransferred CompletesAsynchronously Overload Clamped
    150 LocalOverride
    162 EntryInserted EntryReplaced
    167 CommunicationEvent ShutdownEvent CallAgain NonCriticalTimeout
    186 ResultsMayBeIncomplete
    217 DataIgnored
    220 Edited
    224 DependentValueChanged
    278 Edited_DependentValueChanged Edited_DominantValueChanged Edited_DominantValueChanged_DependentValueChanged
    1026 CascadeInitializationRequest CascadeNotInvited
    1032 InitiateFaultState Cascade
    """,
    ("Uncertain", UNCERTAIN): """
    0 -
    108 ReferenceOutOfServer
    143 NoCommunicationLastUsableValue LastUsableValue SubstituteValue InitialValue SensorNotAccurate
    149 SubNormal
    164 DataSubNormal
    188 ReferenceNotDeleted
    192 NotAllNodesAvailable
    222 DominantValueChanged
    226 DependentValueChanged
    521 SimulatedValue SensorCalibration
    527 ConfigurationError
    """,
    ("Bad", BAD): """
    0 - UnexpectedError InternalError OutOfMemory ResourceUnavailable CommunicationError EncodingError DecodingError
        EncodingLimitsExceeded UnknownResponse Timeout ServiceUnsupported Shutdown ServerNotConnected ServerHalted NothingToDo
        TooManyOperations DataTypeIdUnknown CertificateInvalid SecurityChecksFailed CertificateTimeInvalid
        CertificateIssuerTimeInvalid CertificateHostNameInvalid CertificateUriInvalid CertificateUseNotAllowed
        CertificateIssuerUseNotAllowed CertificateUntrusted CertificateRevocationUnknown CertificateIssuerRevocationUnknown
        CertificateRevoked CertificateIssuerRevoked UserAccessDenied IdentityTokenInvalid IdentityTokenRejected
        SecureChannelIdInvalid InvalidTimestamp NonceInvalid SessionIdInvalid SessionClosed SessionNotActivated
        SubscriptionIdInvalid
    42 RequestHeaderInvalid TimestampsToReturnInvalid RequestCancelledByClient
    49 NoCommunication WaitingForInitialData NodeIdInvalid NodeIdUnknown AttributeIdInvalid IndexRangeInvalid IndexRangeNoData
        DataEncodingInvalid DataEncodingUnsupported NotReadable NotWritable OutOfRange NotSupported NotFound ObjectDeleted
        NotImplemented MonitoringModeInvalid MonitoredItemIdInvalid MonitoredItemFilterInvalid MonitoredItemFilterUnsupported
        FilterNotAllowed StructureMissing EventFilterInvalid ContentFilterInvalid FilterOperandInvalid ContinuationPointInvalid
        NoContinuationPoints ReferenceTypeIdInvalid BrowseDirectionInvalid NodeNotInView ServerUriInvalid ServerNameMissing
        DiscoveryUrlMissing SemaphoreFileMissing RequestTypeInvalid SecurityModeRejected SecurityPolicyRejected TooManySessions
        UserSignatureInvalid ApplicationSignatureInvalid NoValidCertificates RequestCancelledByRequest ParentNodeIdInvalid
        ReferenceNotAllowed NodeIdRejected NodeIdExists NodeClassInvalid BrowseNameInvalid BrowseNameDuplicated
        NodeAttributesInvalid TypeDefinitionInvalid SourceNodeIdInvalid TargetNodeIdInvalid DuplicateReferenceNotAllowed
        InvalidSelfReference ReferenceLocalOnly NoDeleteRights ServerIndexInvalid ViewIdUnknown
    109 TooManyMatches QueryTooComplex NoMatch MaxAgeInvalid HistoryOperationInvalid HistoryOperationUnsupported WriteNotSupported
        TypeMismatch MethodInvalid ArgumentsMissing TooManySubscriptions TooManyPublishRequests NoSubscription SequenceNumberUnknown
        MessageNotAvailable InsufficientClientProfile TcpServerTooBusy TcpMessageTypeInvalid TcpSecureChannelUnknown
        TcpMessageTooLarge TcpNotEnoughResources TcpInternalError TcpEndpointUrlInvalid RequestInterrupted RequestTimeout
        SecureChannelClosed SecureChannelTokenUnknown SequenceNumberInvalid ConfigurationError NotConnected DeviceFailure
        SensorFailure OutOfService DeadbandFilterInvalid
    151 RefreshInProgress ConditionAlreadyDisabled ConditionDisabled EventIdUnknown NoData
    157 DataLost DataUnavailable EntryExists NoEntryExists TimestampNotSupported
    171 InvalidArgument ConnectionRejected Disconnect ConnectionClosed InvalidState EndOfStream NoDataAvailable WaitingForResponse
        OperationAbandoned ExpectedStreamToBlock WouldBlock SyntaxError MaxConnectionsReached RequestTooLarge ResponseTooLarge
    200 NotTypeDefinition ViewTimestampInvalid ViewParameterMismatch ViewVersionInvalid ConditionAlreadyEnabled DialogNotActive
        DialogResponseInvalid ConditionBranchAlreadyAcked ConditionBranchAlreadyConfirmed ConditionAlreadyShelved
        ConditionNotShelved ShelvingTimeOutOfRange AggregateListMismatch AggregateNotSupported AggregateInvalidInputs BoundNotFound
        BoundNotSupported
    269 CertificateChainIncomplete LicenseExpired LicenseLimitsExceeded LicenseNotAvailable NotExecutable NumericOverflow
        RequestNotComplete CertificatePolicyCheckFailed AlreadyExists
    281 Edited_OutOfRange InitialValue_OutOfRange OutOfRange_DominantValueChanged Edited_OutOfRange_DominantValueChanged
        OutOfRange_DominantValueChanged_DependentValueChanged Edited_OutOfRange_DominantValueChanged_DependentValueChanged
        TicketRequired
    """,
}

_INFO_TYPE, _INFO_DATA_VALUE, _INFO_BITS, _RESERVED = 0x0C00, 0x0400, 0x03FF, 0x3000_3000


def _table() -> dict[int, str]:
    table = {}
    for (category, base), text in _NAMES.items():
        number = 0
        for word in text.split():
            if word.isdigit():
                number = int(word)
                continue
            table[base | number << 16] = category + word.lstrip("-")
            number += 1
    return table


_SYMBOLS = _table()
_CODES = {symbol: code for code, symbol in _SYMBOLS.items()}


def symbol_of(code: int) -> str:
    """The name of the code without its info bits."""
    return _SYMBOLS[code & 0xFFFF_0000]


def code_of(code: int | None, symbol: str | None) -> int:
    """The code that a writer means with a code, a symbol, or both. Raises ValueError with CDF's words."""
    if symbol is not None and symbol not in _CODES:
        raise ValueError(f"Invalid status code symbol: {symbol}")
    if code is None:
        return GOOD if symbol is None else _CODES[symbol]
    if not _is_valid(code):
        raise ValueError(f"Invalid status code: {code}")
    if symbol is not None and symbol_of(code) != symbol:
        raise ValueError(f"Invalid status code symbol: {symbol} does not belong to code {code}")
    return code


def _is_valid(code: int) -> bool:
    if code & _RESERVED or code & 0xFFFF_0000 not in _SYMBOLS:
        return False
    info_type = code & _INFO_TYPE
    return info_type == _INFO_DATA_VALUE or (info_type == 0 and not code & _INFO_BITS)
